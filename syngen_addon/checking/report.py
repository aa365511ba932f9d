"""What a check has found: problems and notes, each with its place and one sentence. Imports the standard library."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

MOST = 20
"""Of one sort of problem so many are kept with their places; all are counted."""

OBJECTS = "objects in "
"""How the sizes that count objects begin."""


class Held(NamedTuple):
    """What one split of a format holds. classes: the names it knows, or shows."""

    pictures: int
    objects: int
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Problem:
    """Something wrong. what: its sort, in a few words; where: a file of the dataset, with an id or a line.

    sentence: for people. note: worth knowing, but nothing that must be mended.
    """

    what: str
    where: str
    sentence: str
    note: bool = False


@dataclass(frozen=True)
class Report:
    """What was checked and what is wrong with it.

    found: the formats that lie there, in words. sizes: what was looked at ("pictures", "objects", ...). problems: at
    most MOST of each sort, problems before notes; counts: how many there are of each sort.
    """

    folder: Path
    found: tuple[str, ...]
    problems: tuple[Problem, ...]
    counts: dict[str, int]
    sizes: dict[str, int]

    @property
    def sound(self) -> bool:
        """Whether nothing must be mended; notes may be there."""
        return all(problem.note for problem in self.problems)

    @property
    def faults(self) -> int:
        """How many problems there are, those that are not listed too; notes do not count."""
        return sum(self.counts[what] for what in {problem.what for problem in self.problems if not problem.note})

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, for `--json`."""
        return {
            "folder": str(self.folder),
            "found": list(self.found),
            "sound": self.sound,
            "sizes": self.sizes,
            "counts": self.counts,
            "problems": [
                {"what": p.what, "where": p.where, "sentence": p.sentence, "note": p.note} for p in self.problems
            ],
        }

    def as_json(self) -> str:
        """`as_dict` as text."""
        return json.dumps(self.as_dict(), indent=1, sort_keys=True)

    def _held(self) -> str:
        """What was looked at, such as "8 frames, 7 pictures, 15 objects". Formats beside each other hold the same
        objects, so they are never added; where they differ in how many, each says its own."""
        plain = [f"{number:,} {name}" for name, number in self.sizes.items() if not name.startswith(OBJECTS)]
        objects = {n.removeprefix(OBJECTS): number for n, number in self.sizes.items() if n.startswith(OBJECTS)}
        if len(set(objects.values())) == 1:
            plain.append(f"{next(iter(objects.values())):,} objects{' in each' if len(objects) > 1 else ''}")
        else:
            plain += [f"{number:,} objects in {name}" for name, number in objects.items()]
        return ", ".join(plain)

    def lines(self) -> list[str]:
        """For people: what lies there, what is wrong sort by sort, and the sum."""
        lines = [f"{', '.join(self.found)}: {held}" if (held := self._held()) else ", ".join(self.found)]
        listed = Counter(problem.what for problem in self.problems)
        said: Counter[str] = Counter()
        for problem in self.problems:
            mark = "note" if problem.note else "problem"
            lines.append(f"{mark}: {problem.where}: {problem.sentence}")
            said[problem.what] += 1
            more = self.counts[problem.what] - listed[problem.what]
            if said[problem.what] == listed[problem.what] and more:
                lines.append(f"{mark}: ... and {more:,} more of this sort ({problem.what})")
        faults = self.faults
        lines.append("Nothing is wrong with it." if not faults else f"{faults:,} problem{'s' * (faults != 1)}.")
        return lines


@dataclass
class Findings:
    """What a check finds, while it goes on."""

    problems: dict[str, list[Problem]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)

    def problem(self, what: str, where: str, sentence: str) -> None:
        """Something that must be mended."""
        self._keep(Problem(what, where, sentence))

    def note(self, what: str, where: str, sentence: str) -> None:
        """Something worth knowing."""
        self._keep(Problem(what, where, sentence, note=True))

    def objects(self, where: str, count: int) -> None:
        """So many objects lie in a format, or in the records."""
        self.sizes[f"{OBJECTS}{where}"] += count

    def empty_classes(self, where: str, names: list[str]) -> None:
        """Note classes that no object has; of several formats that lack the same once."""
        if not names:
            return
        some = ", ".join(map(repr, names[:8])) + (" ..." if len(names) > 8 else "")
        what, sentence = "class without objects", f"No object is of the class {some}."
        kept = self.problems.get(what, [])
        for number, other in enumerate(kept):
            if other.sentence == _shown(sentence):
                kept[number] = replace(other, where=_shown(f"{other.where}, {where}"))
                return
        self.note(what, where, sentence)

    def _keep(self, problem: Problem) -> None:
        problem = replace(problem, where=_shown(problem.where), sentence=_shown(problem.sentence))
        self.counts[problem.what] += 1
        kept = self.problems.setdefault(problem.what, [])
        if len(kept) < MOST:
            kept.append(problem)

    def report(self, folder: Path) -> Report:
        """All of it."""
        every = [problem for kept in self.problems.values() for problem in kept]
        ordered = [p for p in every if not p.note] + [p for p in every if p.note]
        sizes = {name: number for name, number in self.sizes.items() if number}
        return Report(folder, tuple(self.found), tuple(ordered), dict(self.counts), sizes)


def _shown(text: str) -> str:
    """Without what a terminal would act on: names and numbers come out of other people's files."""
    return "".join(c if c.isprintable() else "?" for c in text)
