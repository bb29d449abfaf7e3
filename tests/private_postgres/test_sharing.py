"""One server for everybody: the first starts it, the last stops it."""

import os
from pathlib import Path

from billsmith.private_postgres import PrivateServer
from billsmith.private_postgres.locks import FileLock
from tests.private_postgres.stage import Forked, Stage, ask, in_threads, kill, let_go, url_of


def test_a_second_start_shares_the_server_and_the_last_release_stops_it(used_stage: Stage) -> None:
    first, second = used_stage.start(), used_stage.start()
    assert first.url() == second.url()
    first.release()
    first.release()
    assert ask(second.url(), "SELECT 1") == 1
    second.release()
    assert not used_stage.runs


def test_two_programs_that_start_at_once_share_one_server(used_stage: Stage) -> None:
    first, second = used_stage.start_user(), used_stage.start_user()
    url = url_of(first)
    assert url == url_of(second)
    one = ask(url, "SELECT pg_postmaster_start_time()")
    let_go(first)
    assert ask(url, "SELECT pg_postmaster_start_time()") == one
    let_go(second)
    assert not used_stage.runs


def test_many_who_come_and_go_never_meet_a_stopped_server(used_stage: Stage) -> None:
    answers: list[object] = []

    def come_and_go() -> None:
        for _ in range(4):
            with used_stage.start() as server:
                answers.append(ask(server.url(), "SELECT 1"))

    in_threads(*[come_and_go] * 4)
    assert answers == [1] * 16
    assert not used_stage.runs


def test_a_killed_user_leaves_a_server_that_the_next_one_uses_and_stops(used_stage: Stage) -> None:
    user = used_stage.start_user()
    url_of(user)
    postmaster = used_stage.postmaster
    kill(user.pid)
    user.wait()
    with used_stage.start() as server:
        assert used_stage.postmaster == postmaster
        assert ask(server.url(), "SELECT 1") == 1
    assert not used_stage.runs


def test_the_server_holds_no_lock_of_its_users(used_stage: Stage) -> None:
    user = used_stage.start_user()
    url_of(user)
    placement = used_stage.placement
    assert not lock_is_free(used_stage, placement.users_lock)
    kill(user.pid)
    user.wait()
    assert used_stage.runs
    assert lock_is_free(used_stage, placement.users_lock)
    assert lock_is_free(used_stage, placement.change_lock)


def test_the_server_holds_its_own_lock_as_long_as_it_lives(used_stage: Stage) -> None:
    with used_stage.start():
        assert not lock_is_free(used_stage, used_stage.placement.server_lock)
    assert lock_is_free(used_stage, used_stage.placement.server_lock)


def lock_is_free(used_stage: Stage, path: Path) -> bool:
    with FileLock(path, used_stage.placement.account) as lock:
        return lock.try_alone()


def test_a_forked_child_that_starts_it_too_keeps_it_up_and_stops_it_as_the_last(used_stage: Stage) -> None:
    server = used_stage.start()
    child = Forked(used_stage.start, PrivateServer.release)
    server.release()
    assert ask(server.url(), "SELECT 1") == 1
    child.finish()
    assert not used_stage.runs


def test_a_forked_child_that_did_not_start_it_does_not_keep_it_up(used_stage: Stage) -> None:
    server = used_stage.start()
    child = Forked(lambda: server, lambda _: None)
    server.release()
    assert not used_stage.runs
    child.finish()


def test_letting_go_does_not_wait_for_a_fork_that_has_not_closed_its_copy_yet(used_stage: Stage) -> None:
    used_stage.start().release()
    lock = FileLock(used_stage.placement.users_lock, used_stage.placement.account)
    lock.take_shared()
    copy_in_a_fork = os.dup(lock.descriptor)
    lock.close()
    assert lock_is_free(used_stage, used_stage.placement.users_lock)
    os.close(copy_in_a_fork)


def test_a_handle_from_before_the_fork_is_its_parents_to_release(used_stage: Stage) -> None:
    with used_stage.start() as server:
        Forked(lambda: server, PrivateServer.release).finish()
        assert ask(server.url(), "SELECT 1") == 1
    assert not used_stage.runs


def test_an_error_inside_the_block_stops_the_server_too(used_stage: Stage) -> None:
    held: list[PrivateServer] = []
    try:
        with used_stage.start() as server:
            held.append(server)
            raise LookupError
    except LookupError:
        pass
    assert held
    assert not used_stage.runs
