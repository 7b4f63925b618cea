"""`clew create` and `clew serve`: a server in a process of its own."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from clew import AlreadyOpen, ClientError, Index, StorageError, cli
from clew.engine.lock import DirectoryLock
from serving import serving

ROOT = Path(__file__).parents[2]


def create(directory: Path, name: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, str]:
    """The tokens of a new index."""
    assert cli.main(["create", str(directory), name, *options]) == 0
    full, read_only = re.findall(r"token +(\S+)", capsys.readouterr().out)
    return full, read_only


def test_indexes_have_their_own_paths_tokens_and_data_and_outlive_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = create(tmp_path, "films", capsys, "--dimension", "2")
    songs = create(tmp_path, "songs", capsys, "--similarity-function", "EUCLIDEAN")
    kept = tmp_path / "indexes.toml"
    assert not any(token in kept.read_text() for token in films + songs)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with serving(str(tmp_path), "--access-log") as (url, process):
        with Index(f"{url}/films", films[0]) as index, Index(f"{url}/songs", songs[0]) as other:
            index.upsert([("a", [1.0, 0.0]), ("b", [0.0, 1.0])])
            assert other.info().vector_count == 0
            assert (index.info().dimension, other.info().similarity_function) == (2, "EUCLIDEAN")
            with index.resumable_query([1.0, 0.0], top_k=1) as query:
                assert [hit.id for hit in query.start() + query.fetch_next(5)] == ["a", "b"]
        for token in (songs[0], songs[1]):
            asked = httpx.post(f"{url}/films/info", headers={"Authorization": f"Bearer {token}"})
            assert asked.status_code == 401
        with pytest.raises(AlreadyOpen):
            DirectoryLock(tmp_path)
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=40)
    assert process.returncode == 0, log
    assert out.split("\n")[:2] == [f"Serving {url}/films", f"Serving {url}/songs"]
    assert '"endpoint":"upsert","status":200' in log
    assert not any(token in out + log for token in films + songs)
    with serving(str(tmp_path)) as (url, process), Index(f"{url}/films", films[1]) as index:
        assert [hit.id for hit in index.query([1.0, 0.0])] == ["a", "b"]


def test_a_server_that_is_told_to_stop_finishes_and_keeps_what_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, _ = create(tmp_path, "films", capsys)
    headers = {"Authorization": f"Bearer {token}"}
    rows = np.random.default_rng(1).standard_normal((3000, 64)).round(4).tolist()
    body = json.dumps([{"id": str(i), "vector": row} for i, row in enumerate(rows)]).encode()
    with serving(str(tmp_path)) as (url, process), ThreadPoolExecutor(1) as other:
        # Another connection is open and idle meanwhile, and a query is.
        idle = httpx.Client(base_url=f"{url}/films", headers=headers)
        uuid = idle.post("/resumable-query", json={"vector": [1.0] * 64}).json()["result"]["uuid"]
        asked = other.submit(httpx.post, f"{url}/films/upsert", content=body, headers=headers, timeout=60)
        while "clew_vectors" not in httpx.get(f"{url}/metrics").text or not asked.running():
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert asked.result().json() == {"result": "Success"}
        idle.close()
    assert (process.returncode, log) == (0, "")
    with serving(str(tmp_path)) as (url, _):
        assert httpx.post(f"{url}/films/info", headers=headers).json()["result"]["vectorCount"] == 3000
        more = httpx.post(f"{url}/films/resumable-query-next", json={"uuid": uuid}, headers=headers)
        assert more.json() == {"result": []}  # it goes on, and sees what was there when it began


def test_dev_serves_one_open_index_and_its_lines_to_try_work() -> None:
    with serving("--dev") as (url, process):
        with Index(url) as index:
            assert index.info().vector_count == 0
        process.terminate()
        out, _ = process.communicate(timeout=40)
        assert url in out
        assert out.count("curl") == 2
    assert process.returncode == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_for_curl_of_the_docs_work() -> None:
    with serving("--dev") as (url, _):
        for page in ("README.md", "docs/clients.md"):
            lines = re.findall(r"^curl .*$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
            assert len(lines) >= 2
            said = ""
            for line in lines:
                uuid = re.search(r'"uuid":"([^"]+)"', said)
                here = line.replace("http://127.0.0.1:8080", url).replace("UUID", uuid[1] if uuid else "")
                done = subprocess.run(here, shell=True, capture_output=True, text=True, timeout=30)
                assert done.stdout.startswith(('{"result":', "# HELP")), (page, line, done.stdout)
                said += done.stdout
            assert '"result":[{"id":"a","score":1.0}]' in said
            Index(url).reset(all=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "a directory to serve is missing"),
        (["serve", "{}"], "has no indexes to serve"),
        (["serve", "--dev", "--host", "0.0.0.0"], "not on '0.0.0.0'"),
        (["create", "{}", "a/b"], "is not made of"),
        (["create", "{}", "query"], "is that of an endpoint"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([argument.replace("{}", str(tmp_path)) for argument in arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "not-a-host.invalid"])
def test_an_address_that_cannot_be_had_is_named(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from clew.server.run import Options, serve

    create(tmp_path, "films", capsys)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClientError, match=f"cannot listen on {host}, port {port}: "):
            serve(Options(tmp_path, host, port))
    assert capsys.readouterr().out == ""


def test_a_server_listens_on_ipv6_too() -> None:
    with serving("--dev", host="::1") as (url, _):
        assert url.startswith("http://[::1]:")
        assert httpx.post(f"{url}/info").status_code == 200


DIGEST = f'token_sha256 = "{"0" * 64}"'


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[a]",
        "a = 1",
        f"[a]\nmore = 1\n{DIGEST}",
        f'[a]\ntype = "THICK"\n{DIGEST}',
        f'[a]\ntype = "SPARSE"\ndimension = 3\n{DIGEST}',
        f"[a]\ndimension = 0\n{DIGEST}",
        '[a]\ntoken_sha256 = "x"',
        f'[a]\nsimilarity_function = "L2"\n{DIGEST}',
        f'["a/b"]\n{DIGEST}',
        f"[a]\nread_only_token_sha256 = 5\n{DIGEST}",
    ],
)
def test_a_file_of_indexes_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    from clew.server.indexes_file import create, load

    (tmp_path / "indexes.toml").write_text(text)
    with pytest.raises(StorageError, match=r"indexes\.toml"):
        load(tmp_path)
    (tmp_path / "indexes.toml").unlink()
    create(tmp_path, "a")
    with pytest.raises(ClientError, match="already"):
        create(tmp_path, "a")
