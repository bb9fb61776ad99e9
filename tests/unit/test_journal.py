# SPDX-License-Identifier: Apache-2.0
"""A change is written down before it is made."""

import os
import sys

from latchkey import store
from latchkey.store import files, journal, reserve
from ramflash import ROOT, flip, fresh

REDO = ROOT + "/journal/redo"


def pending():
    reports = []
    change = journal.pending(ROOT, reports.append)
    return (change[0], bytes(change[1])) if change else None, reports


def test_nothing_is_pending_on_a_new_board():
    fresh()
    assert pending() == (None, [])


def test_a_committed_change_is_pending_until_it_is_cleared():
    fresh()
    files.run(journal.commit(ROOT, journal.KEYS, b"change"))
    assert pending() == ((journal.KEYS, b"change"), [])
    assert pending() == ((journal.KEYS, b"change"), []), "looking takes nothing away"
    journal.clear(ROOT)
    assert pending() == (None, [])
    journal.clear(ROOT)


def test_the_folder_of_all_is_made_where_it_is_not_there_yet():
    fresh()
    root = ROOT + "/folder"
    files.run(journal.commit(root, journal.KEYS, b"change"))
    assert journal.pending(root, print)[0] == journal.KEYS


def test_a_change_is_committed_by_its_last_step():
    fresh()
    for _ in journal.commit(ROOT, journal.KEYS, b"change"):
        assert files.read(REDO) is None
    assert pending() == ((journal.KEYS, b"change"), [])


def test_a_new_commit_takes_the_place_of_a_pending_one():
    fresh()
    files.run(journal.commit(ROOT, journal.KEYS, b"keys"))
    files.run(journal.commit(ROOT, journal.PROVISION, b"all"))
    assert pending() == ((journal.PROVISION, b"all"), [])
    journal.clear(ROOT)
    assert pending() == (None, [])


def test_a_damaged_journal_is_set_aside_and_reported():
    fresh()
    files.run(journal.commit(ROOT, journal.KEYS, b"change"))
    flip(REDO, 14)
    change, reports = pending()
    assert change is None and len(reports) == 1 and "redo is damaged" in reports[0], reports
    assert pending() == (None, []), "once"
    assert "damaged" in os.listdir(ROOT + "/journal"), "kept for who wants to know"
    files.run(journal.commit(ROOT, journal.KEYS, b"next"))
    assert pending() == ((journal.KEYS, b"next"), [])


def test_a_journal_of_another_version_is_refused_and_kept():
    fresh()
    files.make_folder(ROOT + "/journal")
    files.run(files.write_sealed(REDO, 9, b"\x01change"))
    for _ in range(2):
        try:
            pending()
        except files.UnknownVersion as error:
            assert error.version == 9
        else:
            raise AssertionError("taken for version 1")


def test_the_journals_that_lie_in_cars_are_read_and_a_kind_that_nobody_knows_is_kept():
    fresh()
    files.make_folder(ROOT + "/journal")
    for number, kind in ((1, journal.KEYS), (2, journal.PROVISION), (3, journal.GRANTS)):
        files.run(files.write_sealed(REDO, 1, bytes((number,)) + b"change"))
        assert pending() == ((kind, b"change"), []) and kind == number
    for number in (0, 4, 255):
        files.run(files.write_sealed(REDO, 1, bytes((number,)) + b"change"))
        for _ in range(2):
            try:
                pending()
            except files.UnknownVersion as error:
                assert error.version == number
            else:
                raise AssertionError("carried out as if it were known")


def test_a_change_is_carried_out_by_the_module_that_is_registered_for_its_kind_and_loaded_for_that_alone():
    fresh()
    with open(ROOT + "/undertaker.py", "w") as f:
        f.write("def redo(root, body):\n    yield\n    with open(root + '/done', 'wb') as f:\n        f.write(body)\n")
    before = dict(store.owners)
    sys.path.append(ROOT)
    try:
        journal.register(7, "undertaker")
        assert "undertaker" not in sys.modules
        files.run(journal.redo(ROOT, 7, memoryview(b"change")))
    finally:
        sys.path.remove(ROOT)
        sys.modules.pop("undertaker", None)
        store.owners.clear()
        store.owners.update(before)
    assert files.read(ROOT + "/done") == b"change"


def test_a_read_that_fails_twice_costs_no_change_and_a_third_time_it_is_set_aside():
    for failures in (1, 2, 3):
        fresh()
        files.run(journal.commit(ROOT, journal.KEYS, b"change"))
        left = [failures]
        real = files.read_sealed

        def read_sealed(path, version, left=left, real=real):
            left[0] -= 1
            if left[0] >= 0:
                raise OSError(5)
            return real(path, version)

        files.read_sealed = read_sealed
        try:
            change, reports = pending()
        finally:
            files.read_sealed = real
        if failures < 3:
            assert change == (journal.KEYS, b"change") and reports == []
        else:
            assert change is None and len(reports) == 1


def test_only_a_change_that_may_spend_the_reserve_does():
    for spend in (True, False):
        fresh()
        files.run(reserve.make(ROOT))
        real = files.prepare
        calls = []

        def prepare(folder, chunks, calls=calls, real=real):
            calls.append(folder)
            if len(calls) == 1:
                raise OSError(28)
            yield from real(folder, chunks)

        files.prepare = prepare
        try:
            files.run(journal.commit(ROOT, journal.KEYS, b"change", spend))
        except OSError as error:
            assert not spend and error.errno == 28
        else:
            assert spend
        finally:
            files.prepare = real
        assert reserve.whole(ROOT) is not spend
        assert pending()[0] == ((journal.KEYS, b"change") if spend else None)


def test_what_an_interrupted_commit_left_is_written_over():
    fresh()
    files.make_folder(ROOT + "/journal")
    with open(ROOT + "/journal/new.tmp", "wb") as f:
        f.write(b"half")
    assert pending() == (None, [])
    files.run(journal.commit(ROOT, journal.KEYS, b"change"))
    assert os.listdir(ROOT + "/journal") == ["redo"]


def rename(error, done, times=1):
    """os.rename, told of as failed the first times: done all the same, or not."""

    class Os:
        def __getattr__(self, name):
            return getattr(os, name)

        def rename(self, a, b):
            nonlocal times
            if done or times <= 0:
                os.rename(a, b)
            times -= 1
            if times >= 0:
                raise OSError(error)

    return Os()


def test_a_commit_that_fails_in_its_last_step_is_none_whether_it_was_done_or_not():
    for done in (True, False):
        fresh()
        real, files.os = files.os, rename(5, done)
        try:
            files.run(journal.commit(ROOT, journal.KEYS, b"change"))
        except OSError as error:
            assert error.errno == 5
        else:
            raise AssertionError("no error")
        finally:
            files.os = real
        assert pending() == (None, [])
        assert os.listdir(ROOT + "/journal") == [], "and nothing is left of it"


def test_a_commit_of_which_nobody_can_say_whether_it_was_done_is_told_so():
    fresh()
    real, files.os = files.os, rename(5, True, 99)
    try:
        files.run(journal.commit(ROOT, journal.KEYS, b"change"))
    except journal.Unclear:
        pass
    else:
        raise AssertionError("taken for certain")
    finally:
        files.os = real


def test_a_folder_in_the_journals_place_is_set_aside():
    fresh()
    files.make_folder(ROOT + "/journal")
    os.mkdir(REDO)
    change, reports = pending()
    assert change is None and reports
    files.run(journal.commit(ROOT, journal.KEYS, b"change"))
    assert pending() == ((journal.KEYS, b"change"), [])


def test_a_file_in_the_place_of_the_journals_folder_is_set_aside():
    fresh()
    with open(ROOT + "/journal", "wb") as f:
        f.write(b"what is this")
    files.run(journal.commit(ROOT, journal.KEYS, b"change"))
    assert pending() == ((journal.KEYS, b"change"), [])
