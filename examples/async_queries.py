"""The same calls for code that awaits."""

import asyncio

from clew import AsyncIndex


async def main() -> None:
    async with AsyncIndex() as index:
        await index.upsert([(str(i), [1.0, i / 10]) for i in range(100)])
        near, far = await asyncio.gather(index.query([1.0, 0.0], top_k=3), index.query([0.0, 1.0], top_k=3))
        print("near:", [hit.id for hit in near], "far:", [hit.id for hit in far])
        async with await index.resumable_query([1.0, 5.0], top_k=3) as query:
            print("first:", [hit.id for hit in await query.async_start()])
            print("rest:", len([hit async for hit in query]))


asyncio.run(main())
