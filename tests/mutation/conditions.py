# SPDX-License-Identifier: MIT
"""The conditions of a C file, and the file with all their changes in it at once.

A decision (of if, while, for, ?:) is changed to true, to false, and negated; so is
each operand of && and ||, but not to what makes the whole constant, and a loop never
to true.  A comparison elsewhere is negated.  < and <=, > and >= are swapped.  Not
looked at: preprocessor lines, thus macros, and what is outside functions.
"""
import re

IGNORED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
                     r'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$', re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r"[A-Za-z_]\w*|\d\w*|->|\+\+|--|(?:<<|>>|[-+*/%&|^])=|<<|>>|[<>=!]=|&&|\|\||[^\s\w]")
ASSIGNMENT = re.compile(r"(?:<<|>>|[-+*/%&|^])?=")
COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
BINDS = {"||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7, ">=": 7}
ENDS = {",", ";", "?", ":", "return", "case", "else", "do"}
OPEN, CLOSE = set("([{"), set(")]}")
TRUE, FALSE, NEGATED = range(3)
WORDS = ("true", "false", "negated")


def without_hosted(text):
    """What stands in for the core's own in tests on the host is no condition of the core."""
    lines, stack = text.split("\n"), []
    for index, line in enumerate(lines):
        word, _, rest = line.strip().partition(" ")
        if word in ("#if", "#ifdef", "#ifndef"):
            stack.append([rest == "PARAVANE_CORE", False])
        elif word == "#else":
            stack[-1][1] = stack[-1][0]
        elif word == "#endif":
            stack.pop()
        elif any(hosted for _, hosted in stack):
            lines[index] = " " * len(line)
    return "\n".join(lines)


class Source:
    """The tokens of a text, with brackets matched."""

    def __init__(self, text):
        self.text = text
        self.blank = IGNORED.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), without_hosted(text))
        self.tokens = [(match.group(), match.start(), match.end())
                       for match in TOKEN.finditer(self.blank)]
        self.match, stack = {}, []
        for index, (token, _, _) in enumerate(self.tokens):
            if token in OPEN:
                stack.append(index)
            elif token in CLOSE:
                self.match[index] = stack.pop()
                self.match[self.match[index]] = index

    def word(self, index):
        return self.tokens[index][0] if 0 <= index < len(self.tokens) else ""

    def bodies(self):
        """(first, last) token of each function."""
        index = 0
        while index < len(self.tokens):
            if self.word(index) in OPEN:
                if self.word(index) == "{" and self.word(index - 1) == ")":
                    yield index, self.match[index]
                index = self.match[index]
            index += 1

    def is_binary(self, index):
        before = self.word(index - 1)
        return before in CLOSE or (re.match(r"\w", before) and before not in ENDS)

    def is_end(self, index, looser_than):
        """Does an operand of an operator that binds so end at this token?"""
        word = self.word(index)
        return word in ENDS or ASSIGNMENT.fullmatch(word) or \
            (BINDS.get(word, 9) < looser_than and self.is_binary(index))

    def left(self, index, binds):
        """First token of the operand left of an operator."""
        index -= 1
        while self.word(index) not in OPEN and not self.is_end(index, binds):
            index = (self.match[index] if self.word(index) in CLOSE else index) - 1
        return index + 1

    def right(self, index, binds):
        """Last token of the operand right of an operator."""
        index += 1
        while self.word(index) not in CLOSE and not self.is_end(index, binds + 1):
            index = (self.match[index] if self.word(index) in OPEN else index) + 1
        return index - 1

    def core(self, first, last):
        """What lies inside parentheses, likely() and !."""
        while True:
            if self.word(first) in ("likely", "unlikely", "!"):
                first += 1
            elif self.word(first) == "(" and self.match[first] == last:
                first, last = first + 1, last - 1
            else:
                return first, last


class Conditions:
    """Where there is something to change: self.truths, self.limits, by their tokens."""

    def __init__(self, source):
        self.source = source
        self.truths = {}  # core of an expression: ((first, last), changes)
        self.limits = []  # (operator, first, last)
        for first, last in source.bodies():
            for index in range(first, last):
                self.look_at(index)

    def add(self, first, last, changes):
        if first <= last:
            core = self.source.core(first, last)
            at, known = self.truths.get(core, ((first, last), set()))
            self.truths[core] = (at, known | set(changes))

    def look_at(self, index):
        source, word = self.source, self.source.word(index)
        if word in ("if", "while", "for") and source.word(index + 1) == "(":
            first, last = index + 2, source.match[index + 1] - 1
            if word == "for":
                ends = [i for i in range(first, last + 1) if source.word(i) == ";"]
                first, last = ends[0] + 1, ends[1] - 1
            self.add(first, last, (FALSE, NEGATED) if word != "if" else (TRUE, FALSE, NEGATED))
        elif word == "?":
            self.add(source.left(index, 0), index - 1, (TRUE, FALSE, NEGATED))
        elif word in ("&&", "||"):
            changes = (TRUE if word == "&&" else FALSE, NEGATED)
            first = source.left(index, BINDS[word])
            if not self.is_chain(first, index, word):
                self.add(first, index - 1, changes)
            self.add(index + 1, source.right(index, BINDS[word]), changes)
        elif BINDS.get(word, 0) >= 6:
            first, last = source.left(index, BINDS[word]), source.right(index, BINDS[word])
            self.add(first, last, (NEGATED,))
            if word in COMPARISONS:
                self.limits.append((index, first, last))

    def is_chain(self, first, last, word):
        """a && b && c: b is an operand of the first && already, a && b of none."""
        index = first
        while index < last:
            if self.source.word(index) == word:
                return True
            index = self.source.match[index] + 1 if self.source.word(index) in OPEN else index + 1
        return False


def rewrite(text, number):
    """The text with every change in it, and [(number, line, what)] of the changes from `number` on."""
    source = Source(text)
    conditions = Conditions(source)
    changes, inserts = [], []

    def line(token):
        return text.count("\n", 0, source.tokens[token][1]) + 1

    def shown(first, last):
        return " ".join(text[source.tokens[first][1]:source.tokens[last][2]].split())

    def wrap(first, last, before, after, inner):
        start, end = source.tokens[first][1], source.tokens[last][2]
        # What encloses is opened first and closed last.
        inserts.append((start, 1, start - end, inner, before))
        inserts.append((end, 0, end - start, -inner, after))

    for (first, last), kinds in conditions.truths.values():
        wrap(first, last, f"mutant_bool({number}, !!(", "))", 0)
        changes += [(number + kind, line(first), f"{shown(first, last)} -> {WORDS[kind]}")
                    for kind in sorted(kinds)]
        number += 3
    for operator, first, last in conditions.limits:
        word = source.word(operator)
        left, right = f"left_{number}", f"right_{number}"
        at = source.tokens[operator]
        wrap(first, last, f"({{ __auto_type {left} = (",
             f") + 0; mutant_or({number}, {left} {word} {right}, {left} {COMPARISONS[word]} {right}); }})", 1)
        inserts.append((at[1], 2, 0, 0, f") + 0; __auto_type {right} = ("))
        changes.append((number, line(operator), f"{shown(first, last)} -> {COMPARISONS[word]}"))
        number += 1

    operators = {source.tokens[operator][1]: source.tokens[operator][2]
                 for operator, _, _ in conditions.limits}
    result, done = [], 0
    for place, kind, *_, insert in sorted(inserts):
        result += [text[done:place], insert]
        done = operators[place] if kind == 2 else place
    return "".join(result) + text[done:], sorted(changes, key=lambda change: (change[1], change[0]))
