"""Several runs at once, in threads of one process and in others: none disturbs another."""

import copy
import multiprocessing
import os
import pickle
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 -- with a BLAS of its own
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

import minimalstyle as ms
from minimalstyle import blas
from minimalstyle.blas import one_blas_thread
from minimalstyle.errors import MinimalstyleWarning
from minimalstyle.pictures import images
from minimalstyle.shared import Shared


def blas_threads() -> list[int]:
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    """As on a machine with two cores, whatever this one has."""
    with threadpool_limits(2, "blas"):
        yield


def at_once(work: Callable[[int], object], count: int) -> list:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


# --- The context ----------------------------------------------------------------------------------


def test_the_first_makes_it_and_the_last_undoes_it():
    """Two threads, the first of which leaves while the second is still inside."""
    happened = []

    @contextmanager
    def change():
        happened.append("made")
        yield
        happened.append("undone")

    shared, entered, left = Shared(change), threading.Event(), threading.Event()

    def first():
        with shared:
            entered.set()
            left.wait()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with shared, shared:
        left.set()
        thread.join()
        assert happened == ["made"]
    assert happened == ["made", "undone"]
    with pytest.raises(KeyError), shared:
        raise KeyError
    assert happened == ["made", "undone"] * 2


def test_what_cannot_be_made_is_not_undone():
    @contextmanager
    def change():
        raise OSError
        yield

    shared = Shared(change)
    for _ in range(2):
        with pytest.raises(OSError), shared:
            pass


@pytest.mark.parametrize("forks", ["a thread inside", "another thread"])
def test_in_a_forked_child(forks, two_blas_threads):
    """A child has the limit where it is in the midst of a run itself, and else none."""
    entered, left = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            entered.set()
            left.wait()

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait()

    def in_child(expected: list[list[int]], seen: Callable[[], list[list[int]]]) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where threads run
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if seen() == expected else 1)
            finally:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    one, two = [1] * len(blas_threads()), [2] * len(blas_threads())

    def inside_and_after() -> list[list[int]]:
        with one_blas_thread():
            within = blas_threads()
        return [within, blas_threads()]

    try:
        if forks == "another thread":
            assert in_child([two, one, two], lambda: [blas_threads(), *inside_and_after()]) == 0
        else:
            with one_blas_thread():
                assert in_child([one, one], inside_and_after) == 0
        assert blas_threads() == one  # the parent's other thread still works
    finally:
        left.set()
        thread.join()
    assert blas_threads() == two


class OfEachThread(threading.local):
    """A BLAS as over OpenMP: each thread sets its own number."""

    num_threads = 5

    def set_num_threads(self, number: int) -> None:
        self.num_threads = number


def test_a_limit_of_each_thread(monkeypatch):
    library = OfEachThread()
    monkeypatch.setattr(blas, "_libraries", lambda: ([], [library]))

    def work(_: int) -> list[int]:
        with blas.one_blas_thread():
            inside.wait()
            seen = [library.num_threads]
        return [*seen, library.num_threads]

    inside = threading.Barrier(3)
    assert at_once(work, 3) == [[1, 5]] * 3
    assert library.num_threads == 5


# --- Processes ------------------------------------------------------------------------------------

METHODS = multiprocessing.get_all_start_methods()  # fork, forkserver and spawn, but on Windows


def send_features(network, image, connection):
    connection.send(network.features(image, "relu2_1")["relu2_1"])


def features_in_child(method: str, network, image) -> np.ndarray:
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=send_features, args=(network, image, sender))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where threads run
        child.start()
    try:
        assert receiver.poll(120), "it hangs"
        return receiver.recv()
    finally:
        child.kill()
        child.join()


@pytest.fixture
def small(pooled_vgg):
    return ms.Network(pooled_vgg(((5, 7), (6,))), threads=2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("when", ["before", "after", "during"])
def test_a_network_in_another_process(method, when, small, random_image):
    """Before it was used here, after that, and while a thread uses it."""
    image = random_image(70, 90)
    if when == "before":
        found = features_in_child(method, small, image)
    expected = small.features(image, "relu2_1")["relu2_1"]
    if when == "after":
        found = features_in_child(method, small, image)
    if when == "during":
        done = threading.Event()

        def work() -> None:
            while not done.is_set():
                small.features(image, "relu2_1")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            found = features_in_child(method, small, image)
        finally:
            done.set()
            thread.join()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "copied",
    [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_of_a_network(copied, small, random_image):
    image = random_image(40, 50)
    small.pooling = "average"
    expected = small.features(image, "pool2")["pool2"]
    other = copied(small)
    assert (other.pooling, other.threads.number) == ("average", 2)
    assert other.vgg.sha256 == small.vgg.sha256 and other.threads is not small.threads
    np.testing.assert_array_equal(other.features(image, "pool2")["pool2"], expected)
    objective = ms.Objective(
        small,
        content=image,
        styles=[image[:, ::-1]],
        content_layers={"relu1_1": 1},
        style_layers={"relu2_1": 1},
    )
    loss, gradient = copied(objective)(image)
    np.testing.assert_array_equal(gradient, objective(image)[1])
    assert loss == objective(image)[0]


# --- Runs at once ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(picture, content_file, style_file):
    return picture(content_file, 64, 43), picture(style_file, 64, 51)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("own_network", [True, False])
def test_runs_at_once_are_those_alone(count, own_network, pictures, network, two_blas_threads):
    content, style = pictures
    before = blas_threads()
    limits = []

    def run(seed: int) -> np.ndarray:
        return ms.stylize(
            content,
            style,
            weights=None if own_network else network,
            iterations=2 + 2 * seed,  # so that one ends while another works
            coarse_iterations=2,
            preserve_color="match",
            init="noise",
            seed=seed,
            callback=lambda _: limits.append(blas_threads()),
        ).pixels

    alone = [run(seed) for seed in range(count)]
    together = at_once(run, count)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(set(numbers) == {1} for numbers in limits)
    assert blas_threads() == before


def test_bits_do_not_depend_on_blas(pictures, network):
    """Masks, colours and regions too, whose sums once did with three threads."""
    content, style = pictures
    ramp = np.linspace(0, 1, 300 * 400, dtype=np.float32).reshape(300, 400)
    found = []
    for threads in (1, 2, 3, 8):
        with threadpool_limits(threads, "blas"):
            found.append(
                ms.stylize(
                    np.kron(content, np.ones((5, 5, 1), np.uint8)),
                    style,
                    content_mask=ramp,
                    weights=network,
                    size=200,
                    iterations=1,
                    coarse_iterations=1,
                    preserve_color="match",
                ).pixels.tobytes()
            )
    assert set(found) == {found[0]}


def test_warnings_of_pictures_read_at_once(tmp_path):
    """The warning filters are the process's as well: none is lost, and none is left behind."""
    file = tmp_path / "a.gif"
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (10, 200)]
    frames[0].save(file, save_all=True, append_images=frames[1:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        at_once(lambda _: [images.load(file) for _ in range(25)], 4)
        assert warnings.filters == before
    assert [one.category for one in caught] == [MinimalstyleWarning] * 100
