"""The same runs on a real Dask cluster: workers that are lost, schedulers that go, secrets, TLS."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import Client

from compiler.device.job import Result, State
from compiler.errors import ExitCode, UsageError
from compiler.fleet import cluster as cluster_module
from compiler.fleet.crew import Crew, Tls
from compiler.fleet.events import Event
from compiler.fleet.executors import open_crew
from compiler.fleet.history import History
from compiler.fleet.journal import Journal
from compiler.fleet.run import Fleet
from compiler.fleet.work import Told
from compiler.model.finding import Code, Place
from compiler.model.step import StepName
from compiler.source.secrets import Origin, Secret
from tests.fleet.dask import Cluster, cluster
from tests.fleet.fakes import DRIVER, OPTIONS, FakeJobs, Watch, counted, names

# Dask leaves sockets to the garbage collector when a cluster is killed under it.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def wait_for_workers(made: Cluster, number: int) -> None:
    make: Any = Client
    client = make(made.url, set_as_default=False)
    client.wait_for_workers(number)
    client.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.add_worker("one", PASSTHRU_TEST_SECRET="from the worker")
        made.add_worker("two", PASSTHRU_TEST_SECRET="from the worker")
        wait_for_workers(made, 2)
        yield made


@pytest.fixture
def routers(tmp_path: Path) -> Path:
    (tmp_path / "routers").mkdir()
    return tmp_path / "routers"


@contextmanager
def crew(made: Cluster, forks: int = 12) -> Iterator[Crew]:
    opened = open_crew(f"dask://{made.address}", forks)
    yield opened
    opened.close()


def test_a_run_on_a_cluster_is_like_one_on_threads(two: Cluster, routers: Path) -> None:
    watch = Watch()
    jobs = FakeJobs(
        routers, names(60), {"r00007": "fail", "r00008": "bug", "r00009": "unreachable"}
    )
    with crew(two) as hands:
        assert (hands.window, hands.batch) == (12, 3)
        summary = Fleet(jobs, DRIVER, hands, watch).run(OPTIONS)
    assert counted(summary) == {"changed": 57, "failed": 1, "unclear": 1, "unreachable": 1}
    steps = {event.host for event in watch.events if isinstance(event, Told)}
    assert steps == set(names(60))
    bug = next(e for e in watch.events if isinstance(e, Result) and e.host == "r00008")
    assert bug.findings[0].code is Code.X901
    assert "password" not in bug.findings[0].message


def killing(
    made: Cluster, ready: Callable[[], bool], then: Callable[[], None]
) -> Callable[[Event], None]:
    """Kill the first worker in mid-push, as soon as another one is there to do it again."""
    done: list[Event] = []

    def hear(event: Event) -> None:
        if isinstance(event, Told) and event.step is StepName.APPLY and not done:
            done.append(event)
            while not ready():
                pass
            made.add_worker("spare")
            wait_for_workers(made, 2)
            made.workers[0].kill()
            made.workers[0].wait()
            then()

    return hear


@pytest.mark.parametrize(
    ("does", "state"), [("wait", State.CHANGED), ("wait-after", State.UNCHANGED)]
)
def test_a_worker_that_is_killed_in_mid_push_is_replaced_and_that_is_said(
    tmp_path: Path, routers: Path, does: str, state: State
) -> None:
    """What the lost worker had done already shows as unchanged; the finding says why."""
    with cluster(tmp_path / "cluster") as made:
        made.add_worker("one", threads=1)
        wait_for_workers(made, 1)
        journal = Journal(tmp_path / "state")
        jobs = FakeJobs(routers, names(10), {"r00000": does})
        begun = routers / ("r00000.pushes" if does == "wait" else "r00000")
        watch = Watch(on=killing(made, begun.exists, (routers / "go").touch))
        with crew(made, 2) as hands:
            summary = Fleet(jobs, DRIVER, hands, watch, None, journal).run(OPTIONS)
        assert summary.exit_code is ExitCode.OK
        assert watch.results.keys() == set(names(10))
        assert (routers / "r00000.pushes").read_text().count("\n") == 2
        record = History(journal.store).record("run-1", "r00000")
        assert record
        assert record.state is state
        assert [finding["code"] for finding in record.findings] == ["S830"]
        assert (routers / "r00000").read_text() == "new"
        journal.close()


def test_a_scheduler_that_goes_in_mid_push_leaves_an_honest_journal(
    tmp_path: Path, routers: Path
) -> None:
    with cluster(tmp_path / "cluster") as made:
        made.add_worker("one", threads=1)
        wait_for_workers(made, 1)
        journal = Journal(tmp_path / "state")

        def hear(event: Event) -> None:
            if isinstance(event, Told) and event.host == "r00002":
                made.scheduler.kill()

        jobs = FakeJobs(routers, names(10), {"r00002": "wait"})
        with crew(made, 1) as hands:
            summary = Fleet(jobs, DRIVER, hands, Watch(on=hear), None, journal).run(OPTIONS)
        (routers / "go").touch()
        assert counted(summary)["unclear"] == 1
        assert counted(summary)["changed"] == 2
        assert counted(summary)["skipped"] == 7
        assert summary.exit_code is ExitCode.SOME_FAILED
        assert History(journal.store).run("run-1").counts[State.UNCLEAR] == 1
        journal.close()


def test_secrets_are_opened_on_the_worker(two: Cluster, routers: Path) -> None:
    """The variable is set where the workers run, and nowhere here."""
    secret = Secret(Origin.ENVIRONMENT, "PASSTHRU_TEST_SECRET", Place("hosts.yml"))
    jobs = FakeJobs(routers, ["r1"], {"r1": "reveal"}, reach={"ansible_password": secret})
    with crew(two) as hands:
        assert counted(Fleet(jobs, DRIVER, hands, Watch()).run(OPTIONS)) == {"changed": 1}
    assert (routers / "r1").read_text() == hashlib.sha256(b"from the worker").hexdigest()


def test_a_password_in_plain_text_does_not_travel(two: Cluster, routers: Path) -> None:
    secret = Secret(Origin.ENCRYPTED_FILE, "hosts.yml:r1", Place("hosts.yml"), "hunter2hunter2")
    jobs = FakeJobs(routers, ["r1"], {"r1": "reveal"}, reach={"ansible_password": secret})
    watch = Watch()
    with crew(two) as hands:
        summary = Fleet(jobs, DRIVER, hands, watch).run(OPTIONS)
    assert counted(summary) == {"refused": 1}
    result = next(event for event in watch.events if isinstance(event, Result))
    assert result.findings[0].code is Code.V305
    logs = b"".join(path.read_bytes() for path in two.folder.glob("*.log"))
    assert b"hunter2" not in logs


def test_a_cluster_without_workers_is_refused(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster") as made, pytest.raises(UsageError, match="has no workers"):
        open_crew(f"dask://{made.address}")


def test_nobody_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match="cannot reach the Dask scheduler"):
        open_crew("dask://127.0.0.1:1")


@pytest.mark.parametrize(
    "text", ["dask://", "dask://host", "dask://a b:1", "dask://u:p@h:1", "ray"]
)
def test_an_executor_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="S822"):
        open_crew(text)


def test_tls_files_mean_nothing_to_threads() -> None:
    with pytest.raises(UsageError, match="S822"):
        open_crew("threads", tls=Tls(ca="ca.pem"))


def certificate(folder: Path, name: str, issuer: Any = None) -> tuple[Path, Path, Any]:
    """Make a CA, or a certificate of one for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
    )
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private, (made, key)


def test_a_cluster_with_tls_takes_those_with_a_certificate_and_nobody_else(
    tmp_path: Path, routers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 5)
    ca, _, issuer = certificate(tmp_path, "ca")
    cert, key, _ = certificate(tmp_path, "member", issuer)
    other, _, _ = certificate(tmp_path, "other-ca")
    arguments = [f"--tls-ca-file={ca}", f"--tls-cert={cert}", f"--tls-key={key}"]
    with cluster(tmp_path / "cluster", [*arguments, "--protocol=tls"]) as made:
        made.add_worker("one")
        ours = Tls(str(ca), str(cert), str(key))
        make: Any = Client
        client = make(made.url, security=cluster_module._security(ours), set_as_default=False)
        client.wait_for_workers(1)
        client.close()
        hands = open_crew(f"dask://{made.address}", 4, ours)
        summary = Fleet(FakeJobs(routers, names(5)), DRIVER, hands, Watch()).run(OPTIONS)
        hands.close()
        assert counted(summary) == {"changed": 5}
        for wrong in (Tls(), Tls(str(other), str(cert), str(key)), Tls(str(ca))):
            with pytest.raises(UsageError, match="cannot reach"):
                open_crew(f"dask://{made.address}", 4, wrong)
    with pytest.raises(UsageError, match="there is no file"):
        open_crew("dask://127.0.0.1:1", 4, Tls("/nowhere/ca.pem"))
