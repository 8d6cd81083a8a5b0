"""An interpreter of the few pickle operations that a table of tensors needs. It calls nothing that the file names.

Python's own unpickler hashes and compares whatever a file builds: 400 bytes of tuples that hold the tuple before twice take for
ever. Here only texts and numbers become keys, no container is copied, compared or walked through, and each operation costs no
more than the bytes that it takes from the file, so that the time grows with the size of the file alone.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from visionkit.errors import UserError

LARGEST_PICKLE = 2**26  # bytes; that of a network of 1500 tensors, with an optimizer, has 5e6
MOST_OPERATIONS = 600_000  # of which such a network takes 0.2e6
MOST_ARGUMENTS = 16
LARGEST_KEY = 2**60  # Python's dict is slow where many numbers differ by multiples of 2**61 - 1
LONGEST_KEY = 1000  # characters

LITERALS = {
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING", "BINBYTES"),
    *("SHORT_BINBYTES", "BINBYTES8", "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
NEW = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list}  # a set stays a list, since nothing needs its hashes
GATHERED = {"TUPLE": tuple, "LIST": list, "FROZENSET": tuple}
ENDS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
Names = Mapping[tuple[str, str], Any]


class UnsafeCheckpointError(UserError):
    """The file is damaged, or needs something that a table of tensors does not need."""


def read_pickle(file: BinaryIO, names: Names, refused: Callable[[str, str], Exception], storage: Callable[[Any], Any]) -> Any:
    """Read the next pickle of ``file``.

    Args:
        file: stands behind the pickle afterwards.
        names: the global names that a file may use, each with its stand-in. A callable stand-in takes the place of a function;
            it must answer in a time that does not depend on the sizes of its arguments.
        refused: the error for any other name, by module and name.
        storage: called with what the file says of a storage outside of the pickle.

    Raises:
        UnsafeCheckpointError: the pickle is too large, or does what no table of tensors needs. A damaged one raises nearly
            anything.
    """
    machine = _Machine(names, refused, storage)
    source = _Bounded(file, LARGEST_PICKLE)
    for number, (opcode, argument, position) in enumerate(pickletools.genops(source)):
        if number >= MOST_OPERATIONS:
            raise UnsafeCheckpointError(f"its table takes more than {MOST_OPERATIONS:,} operations to build")
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.do(opcode.name, argument, position)
    raise UnsafeCheckpointError("its pickle has no end")


class _Bounded:
    """The next bytes of a file; the length that a damaged pickle announces allocates nothing."""

    def __init__(self, file: BinaryIO, most: int):
        self._file, self._left, self._start = file, most, file.tell()

    def read(self, count: int) -> bytes:
        return self._counted(self._file.read(min(count, self._left + 1)))

    def readline(self) -> bytes:
        return self._counted(self._file.readline(self._left + 1))

    def tell(self) -> int:
        return self._file.tell() - self._start

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise UnsafeCheckpointError(f"its pickle is larger than {LARGEST_PICKLE:,} bytes")
        return piece


class _Machine:
    """The stack and the memory of a pickle."""

    def __init__(self, names: Names, refused: Callable[[str, str], Exception], storage: Callable[[Any], Any]):
        self._names, self._refused, self._storage = names, refused, storage
        self.stack: list = []
        self._outer: list[list] = []  # the stacks below each mark
        self._memory: dict[int, Any] = {}

    def do(self, name: str, argument: Any, position: int) -> None:
        """Do one operation."""
        stack = self.stack
        if name in LITERALS:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in NEW:
            stack.append(NEW[name]())
        elif name in PUTS:
            if not 0 <= argument <= position:
                raise UnsafeCheckpointError(f"it numbers its {position}th byte {argument}")
            self._memory[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memory[len(self._memory)] = stack[-1]
        elif name in GETS:
            stack.append(self._memory[argument])
        elif name == "MARK":
            self._outer.append(stack)
            self.stack = []
        elif name in GATHERED:
            items = self._gathered()
            self.stack.append(GATHERED[name](items))
        elif name in ENDS:
            self._end(name)
        elif name not in ("PROTO", "FRAME"):
            self._change(name, argument)

    def _end(self, name: str) -> None:
        count = ENDS[name]
        if len(self.stack) < count:
            raise UnsafeCheckpointError("its pickle takes more from the stack than there is")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _change(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                set_items(stack[-1], [key, value])
            case "SETITEMS":
                items = self._gathered()
                set_items(self.stack[-1], items)
            case "DICT":
                items, table = self._gathered(), {}
                set_items(table, items)
                self.stack.append(table)
            case "APPEND":
                item = stack.pop()
                _extend(stack[-1], [item])
            case "APPENDS" | "ADDITEMS":
                items = self._gathered()
                _extend(self.stack[-1], items)
            case "GLOBAL":
                stack.append(self._named(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                function, module = stack.pop(), stack.pop()
                stack.append(self._named(module, function))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_called(function, arguments))
            case "BUILD":
                stack.pop()
                if type(stack[-1]) is not dict:  # of a state dict, the state is the versions of its modules
                    raise UnsafeCheckpointError("it tries to change the reader")
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._gathered()
            case "DUP":
                stack.append(stack[-1])
            case _:
                raise UnsafeCheckpointError(f"it uses the pickle operation {name}, which no table of tensors needs")

    def _gathered(self) -> list:
        items, self.stack = self.stack, self._outer.pop()
        return items

    def _named(self, module: Any, name: Any) -> Any:
        if type(module) is not str or type(name) is not str:
            raise UnsafeCheckpointError("it asks for a name that is no text")
        if (module, name) not in self._names:
            raise self._refused(module[:80], name[:80])
        return self._names[module, name]


def set_items(table: Any, items: list) -> None:
    """Add keys and values in turn; keys are refused before they are hashed.

    Raises:
        UnsafeCheckpointError: ``table`` is no dict, or a key is neither a short text nor a number.
    """
    if type(table) is not dict or len(items) % 2:
        raise UnsafeCheckpointError("its pickle sets the items of something that is no table")
    for key in items[::2]:
        short = type(key) in (str, bytes) and len(key) <= LONGEST_KEY
        number = type(key) is int and -LARGEST_KEY < key < LARGEST_KEY
        if not (short or number or key is None or type(key) in (bool, float)):
            raise UnsafeCheckpointError(
                f"a key of a table is a {type(key).__name__}; expected a short text or a number below 2**60"
            )
    table.update(zip(items[::2], items[1::2], strict=True))


def _extend(target: Any, items: list) -> None:
    if type(target) is not list:
        raise UnsafeCheckpointError("its pickle appends to something that is no list")
    target.extend(items)


def _called(function: Any, arguments: Any) -> Any:
    if not callable(function) or type(arguments) is not tuple or len(arguments) > MOST_ARGUMENTS:
        raise UnsafeCheckpointError("its pickle calls something that no table of tensors needs")
    return function(*arguments)
