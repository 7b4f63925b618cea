"""Indexes with models, made by `clew create` and served."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clew import ClientError, Data, Index, StorageError, Vector
from clew.cli import main
from clew.server import indexes_file
from clew.server.auth import Tokens
from clew.server.run import Options, opened
from clew.types import IndexType
from opening import open_index


def test_create_writes_the_models_down_and_the_server_opens_the_index_with_them(tmp_path: Path) -> None:
    models = ["--embedding-model", "builtin/hashing", "--sparse-embedding-model", "BM25/german"]
    assert main(["create", str(tmp_path), "films", "--type", "HYBRID", "--dimension", "64", *models]) == 0
    [entry] = indexes_file.load(tmp_path)
    assert entry.type is IndexType.HYBRID
    assert (entry.embedding_model, entry.sparse_embedding_model) == ("builtin/hashing", "BM25/german")
    with opened(Options(directory=tmp_path)) as indexes:
        assert list(indexes) == ["films"]
    with Index(tmp_path / "films") as index:
        index.upsert([Data("a", "die H\u00e4user")])
        assert index.query(data="das Haus", query_mode="SPARSE")[0].id == "a"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--embedding-model", "nothing"], "embedding_model is 'nothing'; expected builtin/hashing"),
        (["--sparse-embedding-model", "BM25"], "expected a type of SPARSE or HYBRID"),
        (["--type", "SPARSE", "--embedding-model", "builtin/hashing"], "expected a type of DENSE or HYBRID"),
        (["--type", "SPARSE", "--sparse-embedding-model", "BM25/klingon"], "no stemmer for the language"),
    ],
)
def test_create_refuses_a_model_that_cannot_be_had(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", str(tmp_path), "films", *options]) == 1
    assert said in capsys.readouterr().err
    assert indexes_file.load(tmp_path) == []


def test_any_name_of_a_model_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    tokens = Tokens("0" * 64)
    name = 'a "quoted" \\ path/\u00e9 #model'
    entry = indexes_file.IndexEntry("films", tokens, None, 3, IndexType.DENSE, name)
    (tmp_path / indexes_file.FILE).write_text(indexes_file._table(entry), "utf-8")
    assert indexes_file.load(tmp_path)[0].embedding_model == name


def test_a_model_in_the_file_is_a_name(tmp_path: Path) -> None:
    table = f'[films]\ntype = "DENSE"\ntoken_sha256 = "{"0" * 64}"\nembedding_model = 7\n'
    (tmp_path / indexes_file.FILE).write_text(table)
    with pytest.raises(StorageError, match="embedding_model 7; expected the name of a model"):
        indexes_file.load(tmp_path)


def test_others_write_to_a_served_index_while_a_text_is_embedded() -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow:
        name = "slow"
        dimension = 2

        def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            began.set()
            assert go_on.wait(20)
            return np.ones((len(texts), 2), dtype=np.float32)

        def embed_query(self, text: str) -> NDArray[np.float32]:
            return np.ones(2, dtype=np.float32)

    with open_index(None, remote=True, embedding_model=Slow()) as index:
        writer = threading.Thread(target=lambda: index.upsert([Data("slow", "text")]))
        writer.start()
        assert began.wait(20)
        index.upsert([Vector("quick", [1.0, 2.0])])
        assert index.info().vector_count == 1
        go_on.set()
        writer.join()
        assert index.info().vector_count == 2


def test_the_record_endpoint_takes_no_texts_even_where_there_is_a_model() -> None:
    with open_index(None, remote=True, embedding_model="builtin/hashing") as index:
        from clew.commands import Record, Upsert
        from clew.wire import OPERATIONS

        command = OPERATIONS["upsert"].command(b'[{"id": "a", "data": "text"}]', "", "")
        assert command == Upsert((Record("a", data="text"),), embed=False)
        with pytest.raises(ClientError, match="requires dense vectors"):
            index.upsert([Vector("v", [1.0] * 1024), Data("a", "text")])
