"""Mutants of C++: what may be changed in the bodies of functions, each change a small mistake, read off clang's tree.

A mutant is `(mutant(N) ? mistake : original)` in a copy of the file, or a statement behind `if (!mutant(N))`: so one
program holds all of them and a number switches one on (mutant.hpp). No line of the copy is longer or shorter in lines:
what a debugger or a compiler says of it fits the original.

Nothing that must be constant at compile time is changed, nor what a macro expands to (an assertion least of all)."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass

from clang import cindex
from clang.cindex import CursorKind as Kind

# Operators: what each leaves out or gets wrong.
OPERATORS = {
    "drop": "a call whose answer nobody takes is left out",
    "reset": "an assignment is left out: what was there before stays",
    "leave": "an early return, continue or break is left out",
    "compare": "a comparison takes in its bound, or no longer does; equal is not equal",
    "negate": "a condition is taken for its opposite",
    "not": "a ! is left out",
    "logic": "and is or, or is and",
    "one": "a number is one more",
    "constant": "a constant is the next one: of an enumeration, true for false, one more",
    "arithmetic": "plus is minus, minus is plus, up is down, the least is the most",
    "swap": "two arguments of one type change places",
}

FUNCTIONS = {
    Kind.FUNCTION_DECL,
    Kind.CXX_METHOD,
    Kind.CONSTRUCTOR,
    Kind.DESTRUCTOR,
    Kind.CONVERSION_FUNCTION,
    Kind.FUNCTION_TEMPLATE,
}
LEAVES = {Kind.INTEGER_LITERAL, Kind.CXX_BOOL_LITERAL_EXPR, Kind.CHARACTER_LITERAL, Kind.DECL_REF_EXPR}
LEAVING = {Kind.RETURN_STMT, Kind.CONTINUE_STMT, Kind.BREAK_STMT}
TURNED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LOGIC = {"&&": "||", "||": "&&"}
ARITHMETIC = {"+": "-", "-": "+", "+=": "-=", "-=": "+="}
STEPS = {"++": "--", "--": "++"}
EXTREMES = {"min": "max", "max": "min"}
ASSIGNED = re.compile(r"[-+*/%&|^]?=|<<=|>>=")
# Those to which the order of two arguments is nothing.
COMMUTATIVE = {"min", "max", "memcmp", "memcpy", "swap", "equal", "minmax", "operator==", "operator!="}
# What is never evaluated, or has to be a constant.
CLOSED = {
    Kind.TYPE_REF,
    Kind.TEMPLATE_REF,
    Kind.NAMESPACE_REF,
    Kind.STATIC_ASSERT,
    Kind.CXX_UNARY_EXPR,
    Kind.CXX_TYPEID_EXPR,
    Kind.PARM_DECL,
    Kind.REQUIRES_EXPR,
    Kind.CONCEPT_DECL,
    Kind.ENUM_DECL,
    Kind.FIELD_DECL,
    Kind.TYPE_ALIAS_DECL,
    Kind.DECL_REF_EXPR,
    Kind.TEMPLATE_NON_TYPE_PARAMETER,
    Kind.TEMPLATE_TYPE_PARAMETER,
    Kind.TEMPLATE_TEMPLATE_PARAMETER,
}
SPACE = re.compile(r"\s+")
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
# A constant between < and > of a template.
TEMPLATE_BEFORE = re.compile(r"\w<[^<>(){};]*$")
TEMPLATE_AFTER = re.compile(r"[^<>(){};]*>")


@dataclass
class Mutant:
    operator: str
    file: str
    function: str
    statement: str  # the statement, or the condition, that it is in
    old: str
    new: str
    begin: int
    end: int
    line: int
    is_statement: bool = False
    written: str = ""  # what takes the text's place, whole
    as_bool: bool = False
    number: int = 0

    @property
    def id(self):
        return f"{self.number:08x}"

    def key(self):
        """What it is, wherever its line has gone."""
        return (self.file, self.function, self.operator, self.statement, self.old, self.new)


def without_comments(text):
    return COMMENT.sub(lambda match: match.group(0) if match.group(0).startswith('"') else "", text)


def one_line(text):
    return SPACE.sub(" ", without_comments(text)).strip()


def numbered(mutants):
    """Gives each its number, which lasts as long as its statement: of those with one key the n-th has its own."""
    often = Counter()
    taken = set()
    for mutant in sorted(mutants, key=lambda each: (each.file, each.begin, each.end)):
        key = mutant.key()
        often[key] += 1
        number = 0
        salt = str(often[key])
        while number < 16 or number in taken:
            number = int(hashlib.sha256("\0".join((*key, salt)).encode()).hexdigest()[:8], 16)
            salt += "'"
        taken.add(number)
        mutant.number = number
    return mutants


class Finder:
    """Goes through the functions of some files."""

    def __init__(self, texts):
        """`texts`: path as clang names it -> (name in mutants, text)."""
        self.texts = texts
        self.found = {}
        self.macros = {path: [] for path in texts}
        self.declared = set()  # where something begins that is made, with its arguments: no expression stands there

    def look(self, unit, own_names=()):
        """Takes in what a unit has of the files. `own_names`: macros that stand for names of the files themselves."""
        roots = []
        for cursor in unit.cursor.get_children():
            path = self.path_of(cursor)
            if path is None:
                continue
            if cursor.kind == Kind.MACRO_INSTANTIATION:
                if cursor.spelling not in own_names:
                    extent = cursor.extent
                    self.macros[path].append((extent.start.offset, extent.end.offset))
            elif not cursor.kind.is_preprocessing():
                roots.append((path, cursor))
        for path, cursor in roots:
            self.enter(path)
            self.declaration(cursor)
        return self

    def numbered(self):
        return numbered(list(self.found.values()))

    def path_of(self, cursor):
        file = cursor.location.file
        return file.name if file is not None and file.name in self.texts else None

    def enter(self, path):
        self.path = path
        self.file, self.text = self.texts[path]

    def range_of(self, cursor):
        """Where its text is, or nothing if it is not written in the file as it stands there."""
        extent = cursor.extent
        if extent.start.file is None or extent.start.file.name != self.path or extent.end.file is None:
            return None
        if extent.end.file.name != self.path:
            return None
        begin, end = extent.start.offset, extent.end.offset
        if end <= begin or any(begin < last and first < end for first, last in self.macros[self.path]):
            return None
        return begin, end

    # Declarations

    def declaration(self, cursor):
        if cursor.kind in FUNCTIONS:
            if cursor.is_definition():
                self.function_body(cursor)
        elif cursor.kind not in CLOSED:
            for child in cursor.get_children():
                if child.kind.is_declaration() or child.kind == Kind.NAMESPACE:
                    self.declaration(child)

    def name_at(self, cursor):
        offset = cursor.location.offset
        return re.match(r"~?\w*|operator\W+", self.text[offset:]).group(0)

    def function_name(self, cursor):
        name = self.name_at(cursor) or cursor.spelling
        if name.startswith("operator"):
            name = cursor.spelling
        owner = cursor.semantic_parent
        if owner is not None and owner.kind in {Kind.CLASS_DECL, Kind.STRUCT_DECL, Kind.CLASS_TEMPLATE}:
            return f"{owner.spelling}::{name}"
        return name

    def function_body(self, cursor):
        start = cursor.extent.start.offset
        if re.search(r"\bconsteval\b", self.text[start : max(start, cursor.location.offset)]):
            return
        self.function = self.function_name(cursor)
        self.statement = self.function
        for child in cursor.get_children():
            if child.kind == Kind.COMPOUND_STMT:
                self.block(child)
            elif cursor.kind == Kind.CONSTRUCTOR and child.kind.is_expression():
                self.declared.add((self.path, child.extent.start.offset))
                self.in_statement(child, child)

    # Statements

    def block(self, cursor):
        children = list(cursor.get_children())
        for at, child in enumerate(children):
            self.statement_of(child, is_last=at + 1 == len(children))

    def statement_of(self, cursor, is_last=False):
        kind = cursor.kind
        if kind == Kind.COMPOUND_STMT:
            self.block(cursor)
        elif kind == Kind.IF_STMT:
            self.if_statement(cursor, is_last)
        elif kind in {Kind.WHILE_STMT, Kind.DO_STMT, Kind.FOR_STMT, Kind.CXX_FOR_RANGE_STMT, Kind.SWITCH_STMT}:
            self.compound(cursor)
        elif kind in {Kind.CASE_STMT, Kind.DEFAULT_STMT, Kind.LABEL_STMT, Kind.CXX_TRY_STMT, Kind.CXX_CATCH_STMT}:
            children = list(cursor.get_children())
            if kind == Kind.CXX_TRY_STMT:
                for child in children:
                    self.statement_of(child)
            elif children:
                self.statement_of(children[-1])
        elif kind == Kind.DECL_STMT:
            for child in cursor.get_children():
                self.local(child)
        elif kind.is_expression():
            self.droppable(cursor)
            self.in_statement(cursor, cursor)
        else:
            self.in_statement(cursor, cursor)

    def written_children(self, cursor):
        """Without what clang makes of a variable that is declared in a condition: the question whether it is one."""
        children = list(cursor.get_children())
        declared = [c.extent for c in children if c.kind == Kind.DECL_STMT or c.kind.is_declaration()]
        return [
            child
            for child in children
            if not child.kind.is_expression()
            or not any(e.start.offset <= child.extent.start.offset < e.end.offset for e in declared)
        ]

    def compound(self, cursor):
        """A loop or a switch: its head, and its body, which comes last (first, of a do)."""
        children = self.written_children(cursor)
        body = 0 if cursor.kind == Kind.DO_STMT else len(children) - 1
        for at, child in enumerate(children):
            if at == body:
                self.statement_of(child)
            elif child.kind == Kind.DECL_STMT or child.kind.is_declaration():
                self.statement_of(child)
            else:
                if cursor.kind == Kind.WHILE_STMT:
                    self.negate(child)
                self.in_statement(child, child)

    def if_statement(self, cursor, is_last):
        children = self.written_children(cursor)
        where = self.range_of(cursor)
        if where is None:
            return
        # A body that is an expression is no statement to clang: it is what comes after the condition's bracket.
        head_end = self.closing(where[0])
        heads = [c for c in children if c.extent.start.offset < head_end]
        bodies = [c for c in children if c.extent.start.offset >= head_end]
        if re.match(r"if\s+constexpr", self.text[where[0] :]):
            heads = []
        for child in heads:
            if child.kind == Kind.DECL_STMT or child.kind.is_declaration():
                self.statement_of(child) if child.kind == Kind.DECL_STMT else self.local(child)
            else:
                if child is heads[-1]:
                    self.negate(child)
                self.in_statement(child, child)
        if heads and len(bodies) == 1 and not is_last and self.leaves(bodies[0]):
            whole = where if bodies[0].kind == Kind.COMPOUND_STMT else (where[0], self.with_semicolon(where[1]))
            self.add("leave", whole, "", statement=self.text[where[0] : where[1]], is_statement=True)
        for child in bodies:
            self.statement_of(child)

    def closing(self, offset):
        """Where the brackets end that open first after the offset."""
        depth = 0
        for match in re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|[()]').finditer(self.text, offset):
            if match.group(0) == "(":
                depth += 1
            elif match.group(0) == ")":
                depth -= 1
                if depth == 0:
                    return match.end()
        return offset

    def with_semicolon(self, offset):
        after = re.compile(r"\s*;").match(self.text, offset)
        return after.end() if after else offset

    def leaves(self, cursor):
        if cursor.kind == Kind.COMPOUND_STMT:
            children = list(cursor.get_children())
            return bool(children) and self.leaves(children[-1])
        return cursor.kind in LEAVING

    def local(self, cursor):
        """A variable of a function: what it begins with. A constant of the compiler's stays."""
        if cursor.kind in CLOSED:
            return
        where = self.range_of(cursor)
        name_at = cursor.location.offset
        if cursor.kind in FUNCTIONS or cursor.kind in {Kind.CLASS_DECL, Kind.STRUCT_DECL}:
            self.declaration(cursor)
            return
        if where is None or re.search(r"\bconst(expr|init)\b", self.text[where[0] : max(name_at, where[0])]):
            return
        self.declared.add((self.path, name_at))
        for child in cursor.get_children():
            if child.extent.start.offset >= name_at:
                self.in_statement(child, cursor)

    def droppable(self, cursor):
        where = self.range_of(cursor)
        if where is None:
            return
        after = re.compile(r"\s*;").match(self.text, where[1])
        text = self.text[where[0] : where[1]]
        if not after or text.startswith(("co_await", "co_yield", "throw", "(void)", "void(")):
            return
        inner = self.inner(cursor)
        parts = self.binary(inner)
        is_assignment = parts is not None and ASSIGNED.fullmatch(parts[2]) is not None
        operator = "reset" if is_assignment and parts[2] == "=" else "drop"
        self.add(operator, (where[0], after.end()), "", statement=text, is_statement=True)

    # Expressions

    def in_statement(self, cursor, statement):
        where = self.range_of(statement)
        before = self.statement
        self.statement = one_line(self.text[where[0] : where[1]]) if where else before
        self.expression(cursor)
        self.statement = before

    def inner(self, cursor):
        """Without what clang puts around an expression that is not written."""
        while True:
            children = list(cursor.get_children())
            if cursor.kind != Kind.UNEXPOSED_EXPR or len(children) != 1 or children[0].extent != cursor.extent:
                return cursor
            cursor = children[0]

    def expression(self, cursor):
        kind = cursor.kind
        if kind in CLOSED and kind != Kind.DECL_REF_EXPR:
            return
        if kind == Kind.LAMBDA_EXPR:
            for child in cursor.get_children():
                if child.kind == Kind.COMPOUND_STMT:
                    self.block(child)
            return
        if kind == Kind.CXX_NEW_EXPR:
            self.declared |= {
                (self.path, c.extent.start.offset) for c in cursor.get_children() if c.kind == Kind.CALL_EXPR
            }
        where = self.range_of(cursor)
        if where is not None and not (kind == Kind.CALL_EXPR and (self.path, where[0]) in self.declared):
            self.mutate(cursor, where)
        if kind == Kind.DECL_REF_EXPR:
            return
        children = list(cursor.get_children())
        if kind == Kind.MEMBER_REF_EXPR:
            children = [c for c in children if c.extent.start.offset == cursor.extent.start.offset][:1]
        elif kind == Kind.CONDITIONAL_OPERATOR and children:
            self.negate(children[0])
        for child in children:
            if child.kind.is_statement():
                self.statement_of(child)
            elif child.kind.is_declaration():
                self.local(child)
            else:
                self.expression(child)

    def mutate(self, cursor, where):
        kind = cursor.kind
        text = self.text[where[0] : where[1]]
        if kind in LEAVES and self.in_template(where):
            return
        if kind in {Kind.INTEGER_LITERAL, Kind.FLOATING_LITERAL}:
            if text[0].isdigit():  # not what clang reads into an operator
                self.add("one", where, f"({text} + 1)")
        elif kind == Kind.CHARACTER_LITERAL:
            self.add("constant", where, f"static_cast<char>({text} + 1)")
        elif kind == Kind.CXX_BOOL_LITERAL_EXPR:
            self.add("constant", where, "false" if text == "true" else "true")
        elif kind == Kind.DECL_REF_EXPR:
            self.constant(cursor, where, text)
        elif kind == Kind.UNARY_OPERATOR or (kind == Kind.CALL_EXPR and cursor.spelling in {"operator!"}):
            self.unary(where, text)
        parts = self.binary(cursor)
        if parts is not None:
            self.operation(where, *parts)
        if kind == Kind.CALL_EXPR:
            self.call(cursor, where, text)

    def in_template(self, where):
        before = self.text[max(0, where[0] - 100) : where[0]]
        return TEMPLATE_BEFORE.search(before) and TEMPLATE_AFTER.match(self.text, where[1])

    def unary(self, where, text):
        if text.startswith("!") and not text.startswith("!="):
            self.add("not", where, f"!!({text[1:].lstrip()})", as_bool=True)
        for sign, other in STEPS.items():
            if text.startswith(sign):
                self.add("arithmetic", where, other + text[2:])
            elif text.endswith(sign):
                self.add("arithmetic", where, text[:-2] + other)

    def binary(self, cursor):
        """(left, right, operator) of what is written as one, or nothing."""
        children = list(cursor.get_children())
        if len(children) < 2:
            return None
        left, right = self.range_of(children[0]), self.range_of(children[-1])
        if left is None or right is None or left[1] >= right[0]:
            return None
        where = self.range_of(cursor)
        if where is None or left[0] != where[0] or right[1] != where[1]:
            return None
        sign = one_line(self.text[left[1] : right[0]])
        known = sign in TURNED or sign in LOGIC or sign in ARITHMETIC or ASSIGNED.fullmatch(sign)
        return (left, right, sign) if known else None

    def operation(self, where, left, right, sign):
        first, second = self.text[left[0] : left[1]], self.text[right[0] : right[1]]
        if sign in TURNED:
            self.add("compare", where, f"{first} {TURNED[sign]} {second}")
        elif sign in LOGIC:
            self.add("logic", where, f"({first}) {LOGIC[sign]} ({second})")
        elif sign in ARITHMETIC:
            self.add("arithmetic", where, f"{first} {ARITHMETIC[sign]} {second}")

    def constant(self, cursor, where, text):
        meant = cursor.referenced
        if meant is None:
            return
        if meant.kind == Kind.ENUM_CONSTANT_DECL:
            names = [each.spelling for each in meant.semantic_parent.get_children() if each.kind == meant.kind]
            following = names[(names.index(meant.spelling) + 1) % len(names)]
            before = text[: len(text) - len(meant.spelling)]
            if len(names) > 1 and text.endswith(meant.spelling):
                self.add("constant", where, before + following)
        elif meant.kind == Kind.VAR_DECL and re.fullmatch(r"(\w+::)*k[A-Z]\w*", text):
            kind = meant.type.get_canonical().kind
            if kind in NARROW:  # one more of it is an int, and a template takes that for another thing
                self.add("constant", where, f"static_cast<decltype({text})>({text} + 1)")
            elif kind in NUMBERS:
                self.add("constant", where, f"({text} + 1)")

    def call(self, cursor, where, text):
        name = cursor.spelling
        arguments = [argument for argument in cursor.get_arguments()]
        ranges = [self.range_of(argument) if argument is not None else None for argument in arguments]
        if name in EXTREMES:
            changed = re.sub(rf"\b{name}\b", EXTREMES[name], text, count=1)
            if changed != text:
                self.add("arithmetic", where, changed)
        if name in COMMUTATIVE or name.startswith("operator") or self.binary(cursor) is not None:
            return
        for at in range(len(arguments) - 1):
            one, two = ranges[at], ranges[at + 1]
            if one is None or two is None or not where[0] <= one[0] < one[1] <= two[0] < two[1] <= where[1]:
                continue
            first, second = self.text[one[0] : one[1]], self.text[two[0] : two[1]]
            if first == second or plain_type(arguments[at]) != plain_type(arguments[at + 1]):
                continue
            between = self.text[one[1] : two[0]]
            new = self.text[where[0] : one[0]] + second + between + first + self.text[two[1] : where[1]]
            self.add("swap", where, new)

    def negate(self, cursor):
        where = self.range_of(cursor)
        if where is None or not cursor.kind.is_expression():
            return
        text = self.text[where[0] : where[1]]
        inner = self.inner(cursor)
        parts = self.binary(inner)
        if (parts is not None and parts[2] in ("==", "!=")) or text.startswith("!") or text in ("true", "false"):
            return  # another operator does the same
        before, self.statement = self.statement, one_line(text)
        self.add("negate", where, f"!({text})", as_bool=True)
        self.statement = before

    def add(self, operator, where, new, statement=None, is_statement=False, as_bool=False):
        begin, end = where
        old = self.text[begin:end]
        key = (self.path, begin, end, operator, new)
        if key in self.found or old == new:
            return
        said = one_line(statement) if statement is not None else self.statement
        self.found[key] = Mutant(
            operator,
            self.file,
            self.function,
            said[:300],
            one_line(old)[:300],
            one_line(new)[:300],
            begin,
            end,
            self.text.count("\n", 0, begin) + 1,
            is_statement,
            written=new,
            as_bool=as_bool,
        )


NUMBERS = {
    getattr(cindex.TypeKind, name)
    for name in "UCHAR USHORT UINT ULONG ULONGLONG CHAR_S SCHAR SHORT INT LONG LONGLONG FLOAT DOUBLE".split()
}
NARROW = {getattr(cindex.TypeKind, name) for name in "UCHAR USHORT CHAR_S SCHAR SHORT".split()}


def plain_type(cursor):
    """An argument's type, without what does not keep two of them from changing places; none is like a dependent one."""
    kind = cursor.type.get_canonical()
    if "dependent" in kind.spelling or kind.kind == cindex.TypeKind.INVALID:
        return object()
    if kind.kind in {cindex.TypeKind.LVALUEREFERENCE, cindex.TypeKind.RVALUEREFERENCE}:
        kind = kind.get_pointee()
    return re.sub(r"^const ", "", kind.spelling)


# Writing the copy

HEAD = '#include "mutation/mutant.hpp"\n#line 1\n'
BEGIN, MIDDLE, END = "\x01", "\x02", "\x03"
MARK = re.compile(f"{BEGIN}(........){MIDDLE}|{END}")


def rendered(text, mutants):
    """(the copy of a file, [(begin, end, mutant)]): all of its mutants are in it, and where each stands in it."""
    if not mutants:
        return text, []
    groups = {}
    for mutant in mutants:
        groups.setdefault((mutant.begin, mutant.end), []).append(mutant)
    ordered = sorted(groups, key=lambda where: (where[0], -where[1]))
    at = 0

    def until(begin, end):
        nonlocal at
        out = []
        while at < len(ordered) and ordered[at][0] < end:
            where = ordered[at]
            at += 1
            if where[1] > end:
                continue  # it is not inside, as a tree would have it
            out.append(text[begin : where[0]])
            out.append(wrapped(groups[where], until(*where)))
            begin = where[1]
        out.append(text[begin:end])
        return "".join(out)

    return placed(HEAD + until(0, len(text)), mutants)


def switch(mutant):
    return f"::folkmoot::mutant(0x{mutant.id}u)"


def wrapped(group, original):
    """A text with what may take its place."""
    statements = [mutant for mutant in group if mutant.is_statement]
    others = [mutant for mutant in group if not mutant.is_statement]
    if others:
        kept = f"!!({original})" if any(mutant.as_bool for mutant in others) else f"({original})"
        for mutant in reversed(others):
            kept = f"{BEGIN}{mutant.id}{MIDDLE}({switch(mutant)} ? ({one_line(mutant.written)}) : {END}{kept})"
        original = kept
    for mutant in statements:
        original = f"{BEGIN}{mutant.id}{MIDDLE}{{ if (!{switch(mutant)}) {END}{{ {original} }} }}"
    return original


def placed(marked, mutants):
    """Takes the marks out of a text and tells where they were."""
    by_id = {mutant.id: mutant for mutant in mutants}
    out, spans, begun = [], [], []
    position = size = 0
    for match in MARK.finditer(marked):
        out.append(marked[position : match.start()])
        size += len(out[-1])
        position = match.end()
        if match.group(1):
            begun.append((size, by_id[match.group(1)]))
        else:
            begin, mutant = begun.pop()
            spans.append((begin, size, mutant))
    out.append(marked[position:])
    return "".join(out), spans
