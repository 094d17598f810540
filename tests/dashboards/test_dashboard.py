"""What the pages' server lets in, what it answers, and what it knows of a store while parts come and go."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from starlette.datastructures import QueryParams

from dashboards.blocks.spec_text import again
from dashboards.data.cache import Cache, SweepRows
from dashboards.pages import compare
from dashboards.serve import endpoint
from dashboards.web.door import HEADERS, POLICY, allowed, loopback, names
from orchestrator.driver import measure
from orchestrator.errors import QueryError, StoreError
from orchestrator.plan import expand
from orchestrator.results.described import Described
from orchestrator.results.query import results
from orchestrator.results.status import status
from orchestrator.spec import read as spec_read
from orchestrator.store import Store, open_store
from orchestrator.workload.describe import load
from tests.browser.driving import get, serving
from tests.helpers.points import id_of
from tests.helpers.running import home
from tests.helpers.toy_store import add, grid, plan, toy_rows

TOKEN = "a token of two dozen letters"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two sweeps of the toy, one with failures."""
    made = open_store(tmp_path_factory.mktemp("served") / "store", create=True)
    rows = toy_rows([{**p, **({"status": "error", "error": "ValueError: no"} if p["d"] == 4 else {})} for p in grid()])
    add(made, rows)
    for sweep in ("toy_capacity", "toy_again"):
        plan(made, rows, sweep=sweep, generation=made.begin({"sweep": sweep, "size": "smoke"}))
    return made


@pytest.fixture(scope="module")
def url(kept: Store) -> Iterator[str]:
    """Where the pages are served, without a token."""
    with serving(kept.path) as found:
        yield found


@pytest.fixture(scope="module")
def shut(kept: Store) -> Iterator[str]:
    """Where the pages are served to those who have the token."""
    with serving(kept.path, token=TOKEN) as found:
        yield found


def test_every_answer_forbids_foreign_script(url: str) -> None:
    for path in ("/", "/sweep/toy_capacity", "/sql?q=select+1", "/nowhere", "/static/page.js"):
        _, headers, _ = get(url + path)
        assert {name: headers[name] for name in HEADERS if name != "Cache-Control"} | {"Cache-Control": "no-store"} == HEADERS
    assert "unsafe" not in POLICY


def test_another_name_for_this_machine_is_refused(url: str) -> None:
    assert get(url, {"Host": "evil.example:80"})[0] == 421


def test_a_page_of_another_site_may_link_but_not_read(url: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert get(f"{url}/sql?q=select+1", foreign | {"Sec-Fetch-Mode": "no-cors"})[0] == 403
    assert get(url, foreign | {"Sec-Fetch-Mode": "navigate"})[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/sweep/toy_capacity/rows.csv", "/sql/result.csv?q=select+1", "/static/page.js", "/?token=x"]
)
def test_every_request_needs_the_token(shut: str, path: str) -> None:
    assert get(shut + path)[0] == 401
    assert get(shut + path, {"Authorization": "Bearer not this one"})[0] == 401


def test_the_token_is_taken_once_from_the_address_and_then_from_a_cookie(shut: str) -> None:
    status, headers, _ = get(f"{shut}/sql?token={TOKEN.replace(' ', '+')}&q=select+1")
    assert (status, headers["Location"]) == (303, "/sql?q=select+1")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert get(shut, {"Cookie": cookie.split(";")[0]})[0] == 200


def test_the_token_is_taken_as_a_header(shut: str) -> None:
    assert get(shut, {"Authorization": f"Bearer {TOKEN}"})[0] == 200


def test_a_host_that_others_reach_demands_a_token() -> None:
    assert endpoint("127.0.0.1", 1, None).token == ""
    assert len(endpoint("0.0.0.0", 1, None).token) >= 32
    assert endpoint("0.0.0.0", 1, None).token != endpoint("0.0.0.0", 1, None).token
    with pytest.raises(QueryError, match=r"at least 16 characters, but has 5"):
        endpoint("0.0.0.0", 1, "short")


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert [loopback(host) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1")] == [True] * 4
    assert [loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example")] == [False] * 4


def test_a_name_is_compared_whole_and_without_its_port() -> None:
    hosts = names("10.0.0.5")
    assert all(allowed(host, hosts) for host in ("10.0.0.5:80", "localhost", "LOCALHOST:1", "[::1]:9", "[::1]"))
    assert not any(allowed(host, hosts) for host in ("", "10.0.0.50", "localhost.evil.example", "evil.example:80", "::1"))
    assert [allowed(host, names("0.0.0.0")) for host in ("10.1.2.3:80", "[fe80::1]:80", "evil.example")] == [True, True, False]


def test_a_filter_from_the_form_becomes_a_plain_address(url: str) -> None:
    there = get(f"{url}/sweep/toy_capacity?where=d:eq:2&column=beta&is=gt&value=1")[1]["Location"]
    assert there == "/sweep/toy_capacity?where=d%3Aeq%3A2&where=beta%3Agt%3A1#table"
    rows = get(url + there.split("#")[0].replace("toy_capacity?", "toy_capacity/rows.csv?"))[2].decode().splitlines()
    assert len(rows) == 1 + 3


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/sweep/toy_capacty", 404, "did you mean &#39;toy_capacity&#39;"),
        ("/point/none", 404, "must hold rows of it"),
        ("/sweep/toy_capacity?page=0", 400, "must be a number from 1"),
        ("/sweep/toy_capacity?where=d", 400, "column:operator:value"),
        ("/sweep/toy_capacity?sort=dd", 400, "must be a column of the rows"),
        ("/sweep/toy_capacity?where=dd:eq:1", 200, "must be a column of the rows"),
        ("/sweep/toy_capacity?where=d:eq:x", 200, "must be compared with a number"),
        ("/sweep/toy_capacity/figure.json?x=dd&y=capacity", 200, "dd"),
        ("/sweep/toy_capacity/report", 404, "lawsweep report toy_capacity"),
        ("/sql?q=drop+view+claims", 400, "must be a SELECT"),
        ("/compare?a=toy_capacity&b=toy_again&y=capacty", 200, "did you mean &#39;capacity&#39;"),
        ("/sweep/..%2f..%2fetc", 404, "There is no page"),
        ("/static/..%2fapp.py", 404, "There is no page"),
    ],
)
def test_a_wrong_address_is_answered_with_what_is_right(url: str, path: str, status: int, says: str) -> None:
    code, _, body = get(url + path)
    assert (code, says in body.decode()) == (status, True)


def test_figures_come_as_vega_lite_svg_and_png(url: str) -> None:
    figure = json.loads(get(f"{url}/sweep/toy_capacity/figure.json?x=d&y=capacity&color=beta&log=y")[2])
    assert "vega-lite" in figure["chart"]["$schema"] and "6 points have no result" in figure["caption"]
    assert b"<svg" in get(f"{url}/sweep/toy_capacity/figure.svg")[2]
    assert get(f"{url}/sweep/toy_capacity/figure.png")[2].startswith(b"\x89PNG")


def test_rows_come_as_parquet(url: str, tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(get(f"{url}/sweep/toy_capacity/rows.parquet?where=status:ne:ok")[2])
    assert pq.read_table(tmp_path / "rows")["d"].to_pylist() == [4] * 6


def test_the_standing_of_sweeps_is_that_of_the_command_status(kept: Store) -> None:
    cache = Cache(results(kept.path))
    cache.warm()
    told = {s.sweep: (s.points, s.done, s.statuses) for s in status(kept)}
    assert {
        s.name: (s.standing.points, s.standing.done, dict(s.standing.statuses)) for s in cache.sweeps() if s.standing
    } == told


def test_parts_that_come_and_go_are_noticed(store: Store) -> None:
    cache = Cache(results(store.path))
    cache.warm()
    lost = toy_rows([{**p, "status": "error"} for p in grid((2,))], generation=2)
    add(store, lost)
    assert cache.sweep("toy_capacity").standing.statuses == {"ok": 18}  # type: ignore[union-attr]
    for path in store.folder("toy.capacity").glob("*.parquet"):
        if pq.read_table(path).num_rows == 18:
            path.unlink()
    assert cache.sweep("toy_capacity").standing.statuses == {"error": 6}  # type: ignore[union-attr]


def test_a_point_measured_twice_shows_both_rows_and_counts_once(store: Store) -> None:
    add(store, toy_rows(grid((2,)), generation=2))
    cache = Cache(results(store.path))
    cache.warm()
    assert [row["generation"] for row in cache.point(id_of("2/1.0/0"))] == [1, 2]
    assert len(cache.rows(cache.sweep("toy_capacity")).frame) == 18


def test_an_audit_is_shown_with_what_differs(store: Store) -> None:
    said = {
        "size": "smoke",
        "points": 2,
        "agreeing": 1,
        "fraction": 0.1,
        "tolerance": 0.0,
        "device": "cpu",
        "host": "h",
        "when": "now",
    }
    store.save("audits", "toy_capacity", {**said, "mismatches": [{"point": id_of("2/1.0/0"), "column": "capacity"}]})
    with serving(store.path) as url:
        body = get(f"{url}/sweep/toy_capacity")[2].decode()
    assert "1 of 2 points that were measured again agree" in body
    assert f'href="/point/{id_of("2/1.0/0")}"' in body


def test_a_sweep_without_rows_has_a_page(tmp_path: Path) -> None:
    made = open_store(tmp_path / "store", create=True)
    plan(made, toy_rows(grid()))
    with serving(made.path) as url:
        body = get(f"{url}/sweep/toy_capacity")[2].decode()
        assert "0 of 18 points" in body and "No point has ended yet." in body


def test_the_file_that_runs_a_point_again_names_the_same_point(tmp_path: Path) -> None:
    planned = expand(spec_read(home(tmp_path)), load("halves.py", tmp_path))
    (tmp_path / "point.yaml").write_text(again("./halves.py", {"i": 3, "scale": 1.0}, 1))
    once_more = expand(spec_read(tmp_path / "point.yaml"), load("halves.py", tmp_path))
    assert (once_more.ids[0], once_more.seeds) == (planned.ids[2], [0, 1])


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_end(kept: Store) -> None:
    command = [sys.executable, "-m", "orchestrator.cli", "dashboard", "--store", str(kept.path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[1]
        assert get(address)[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_the_command_refuses_a_folder_that_is_no_store(tmp_path: Path) -> None:
    from orchestrator.cli.dashboard import dashboard_command

    done = CliRunner().invoke(dashboard_command, ["--store", str(tmp_path)])
    assert isinstance(done.exception, StoreError)


def test_two_sweeps_are_compared_in_a_result_that_both_have() -> None:
    number, text = pl.DataFrame({"d": [1.0], "y": [1.0]}), pl.DataFrame({"d": [1.0], "z": [1.0]})
    fields = {"d": Described(name="d", role="param"), "y": Described(name="y", role="result")}
    others = {"d": fields["d"], "z": Described(name="z", role="result")}
    both = tuple(
        SweepRows(frame=table, fields=given, described=(), stamp="") for table, given in ((number, fields), (text, others))
    )
    page = compare._compared(both, compare._shared_results(both, same_workload=False), QueryParams(""))
    assert page["fault"] == "differences: the sweeps share no result."


def test_a_filter_offers_the_values_that_a_param_may_have(tmp_path: Path) -> None:
    lines = ['"""Draws."""', "from typing import Literal", "", ""]
    lines += ['def draw(n: int, method: Literal["plain", "sobol"] = "plain", seed: int = 0) -> {"y": float}:']
    (tmp_path / "draws.py").write_text("\n".join([*lines, '    return {"y": float(n)}', ""]))
    (tmp_path / "s.yaml").write_text("question: q\nworkload: ./draws.py:draw\naxes: {n: [1, 2]}\n")
    measure.run(spec_read(tmp_path / "s.yaml"), tmp_path / "store", measure.Where(executor="inline", progress="quiet"))
    with serving(tmp_path / "store") as found:
        page = get(f"{found}/sweep/s")[2].decode()
    offered = re.findall(r'<option value="(\w+)" label="(\w+)">', page)
    assert offered == [("plain", "method"), ("sobol", "method"), ("all", "arm"), ("ok", "status")]
