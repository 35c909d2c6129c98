"""Numba types for a vector register of float32 values, with the usual arithmetic, and for a block.

LLVM turns only simple loops into vector instructions; the Winograd transforms and the blocks of
sums of a matrix product, written as loops, ran at a quarter to a half of the speed that they reach
with these types. It is the one place of the engine that speaks to LLVM.
Other CPUs need nothing else: LLVM splits or joins registers where `LANES` does not fit.

In a kernel: `store(y, j, 2.0 * load(x, i) + load(x, j))`.

Long: one operation of a register or block after the other.
"""

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

__all__ = [
    "BLOCK_ROWS",
    "BLOCK_VECTORS",
    "CACHE_LINE",
    "LANES",
    "add_outer_product",
    "address",
    "load",
    "load_block",
    "load_bytes",
    "prefetch",
    "prefetch_grid",
    "store",
    "store_block",
    "store_bytes",
    "straight_line",
    "vector",
    "where_bit",
    "where_greater",
    "zero",
    "zero_block",
]


def _lanes() -> int:
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx") else 4


LANES = _lanes()
CACHE_LINE = 16  # float32 values
# Enough sums that none waits for the one before. Where there are few tiles, a block of more rows is
# in part empty. Measured on Zen 4: with AVX-512, 8 rows are slower, by a fifth at 96 px; with AVX2,
# 4 rows are, at 256 and 512 px, and its 16 registers have room for the 12 vectors of 6.
BLOCK_ROWS = 4 if LANES == 16 else 6
BLOCK_VECTORS = 2
_LLVM_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_LLVM_INTEGERS = ir.VectorType(ir.IntType(32), LANES)
_LLVM_BYTES = ir.VectorType(ir.IntType(8), LANES)
_LLVM_BLOCK = ir.ArrayType(_LLVM_VECTOR, BLOCK_ROWS * BLOCK_VECTORS)
_ARITHMETIC = ["contract", "nsz", "reassoc"]


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


_vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _LLVM_VECTOR)


def _element(context: Any, builder: Any, memory_type: Any, memory: Any, index: Any) -> Any:
    """Address of an element of a 1-D contiguous array, or of what is behind an address."""
    if isinstance(memory_type, types.Array):
        memory = context.make_array(memory_type)(context, builder, memory).data
    return builder.gep(memory, [index])


def _pointer(context: Any, builder: Any, memory_type: Any, memory: Any, index: Any) -> Any:
    element = _element(context, builder, memory_type, memory, index)
    return builder.bitcast(element, _LLVM_VECTOR.as_pointer())


@intrinsic
def address(typing_context, array, index):
    """Where `array[index]` is, for `load`, `store` and the like, and for `address` itself.

    A slice would do, but it counts references to the array, atomically: in inner loops that costs
    more than the work, the more so as the threads share the counter.
    """

    def generate(context, builder, signature, arguments):
        return _element(context, builder, signature.args[0], *arguments)

    return types.CPointer(types.float32)(array, types.intp), generate


@intrinsic
def load(typing_context, array, index):
    """`array[index : index + LANES]` of a 1-D contiguous float32 array, without checks."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=4)

    return _vector(array, types.intp), generate


@intrinsic
def store(typing_context, array, index, value):
    """`array[index : index + LANES] = value`, without checks."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), generate


def _in_every_lane(builder: Any, scalar: Any) -> Any:
    undefined = ir.VectorType(scalar.type, LANES)(ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    lanes = ir.VectorType(ir.IntType(32), LANES)([0] * LANES)
    return builder.shuffle_vector(first, first, lanes)


@intrinsic
def prefetch(typing_context, array, index):
    """Ask for the cache line of `array[index]` without waiting for it; it may be out of bounds."""

    def generate(context, builder, signature, arguments):
        _prefetch(builder, _element(context, builder, signature.args[0], *arguments))
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def prefetch_grid(typing_context, array, index, row_step, rows, step, number):
    """Ask for the cache lines of `array[index + i * row_step + j * step]`, i < rows, j < number."""

    def generate(context, builder, signature, arguments):
        array, index, row_step, rows, step, number = arguments
        with cgutils.for_range(builder, _unknown(builder, rows)) as row:
            start = builder.add(index, builder.mul(row.index, row_step))
            with cgutils.for_range(builder, _unknown(builder, number)) as column:
                at = builder.add(start, builder.mul(column.index, step))
                _prefetch(builder, _element(context, builder, signature.args[0], array, at))
        return context.get_dummy_value()

    return types.void(array, *[types.intp] * 5), generate


def _prefetch(builder: Any, element: Any) -> None:
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    function_type = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [byte], function_type)
    to_read, all_levels, data = number(0), number(3), number(1)
    builder.call(function, [builder.bitcast(element, byte), to_read, all_levels, data])


def _unknown(builder: Any, number: Any) -> Any:
    """The same number, of which LLVM knows nothing: it writes out loops that it can count."""
    function_type = ir.FunctionType(number.type, [number.type])
    return builder.asm(function_type, "", "=r,0", [number], side_effect=False)


@intrinsic
def vector(typing_context, scalar):
    """The number `scalar` in every lane."""

    def generate(context, builder, signature, arguments):
        return _in_every_lane(builder, arguments[0])

    return _vector(types.float32), generate


@intrinsic
def zero(typing_context):
    """0 in every lane."""

    def generate(context, builder, signature, arguments):
        return _LLVM_VECTOR([0.0] * LANES)

    return _vector(), generate


@intrinsic
def where_greater(typing_context, x, y, yes, no):
    """`yes` in the lanes where `x > y`, `no` in the others."""

    def generate(context, builder, signature, arguments):
        x, y, yes, no = arguments
        return builder.select(builder.fcmp_ordered(">", x, y), yes, no)

    return _vector(_vector, _vector, _vector, _vector), generate


@intrinsic
def where_bit(typing_context, bits, bit, value):
    """`value` in the lanes where the whole number in `bits` has `bit` set, 0 in the others."""

    def generate(context, builder, signature, arguments):
        bits, bit, value = arguments
        whole = builder.fptosi(bits, _LLVM_INTEGERS)
        wanted = _in_every_lane(builder, builder.trunc(bit, ir.IntType(32)))
        unset = builder.icmp_signed("==", builder.and_(whole, wanted), _LLVM_INTEGERS([0] * LANES))
        return builder.select(unset, _LLVM_VECTOR([0.0] * LANES), value)

    return _vector(_vector, types.intp, _vector), generate


@intrinsic
def load_bytes(typing_context, array, index):
    """`array[index : index + LANES]` of a 1-D contiguous uint8 array as float32."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), _LLVM_BYTES.as_pointer())
        return builder.uitofp(builder.load(pointer, align=1), _LLVM_VECTOR)

    return _vector(array, types.intp), generate


@intrinsic
def store_bytes(typing_context, array, index, value):
    """`array[index : index + LANES] = value`, whole numbers from 0 to 255, into uint8."""

    def generate(context, builder, signature, arguments):
        array, index, value = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        pointer = builder.bitcast(builder.gep(data, [index]), _LLVM_BYTES.as_pointer())
        whole = builder.fptosi(value, _LLVM_INTEGERS)
        builder.store(builder.trunc(whole, _LLVM_BYTES), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), generate


def _define(python_operator: Callable[..., Any], instruction: str) -> None:
    """Make `python_operator` work on vectors, and on a vector with a number on its left."""

    @type_callable(python_operator)
    def type_of(context):
        def typer(x, y):
            if isinstance(x, (_Vector, types.Number)) and isinstance(y, _Vector):
                return _vector
            return None

        return typer

    @lower_builtin(python_operator, _Vector, _Vector)
    def of_vectors(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments, flags=_ARITHMETIC)

    @lower_builtin(python_operator, types.Number, _Vector)
    def with_number(context, builder, signature, arguments):
        x, y = arguments
        scalar = context.cast(builder, x, signature.args[0], types.float32)
        return getattr(builder, instruction)(_in_every_lane(builder, scalar), y, flags=_ARITHMETIC)


_define(operator.add, "fadd")
_define(operator.iadd, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")


class _Symbol:
    """A vector in a `straight_line` function: its operators write instructions."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: "_Symbol") -> "_Symbol":
        return self._with("fadd", other.value)

    def __sub__(self, other: "_Symbol") -> "_Symbol":
        return self._with("fsub", other.value)

    def __rmul__(self, factor: float) -> "_Symbol":
        return self._with("fmul", _LLVM_VECTOR([factor] * LANES))

    def _with(self, instruction: str, other: Any) -> "_Symbol":
        emit = getattr(self.builder, instruction)
        return _Symbol(self.builder, emit(self.value, other, flags=_ARITHMETIC))


def straight_line(function: Callable[..., tuple[Any, ...]]) -> Callable[..., None]:
    """Make a function of vectors part of kernels: sums, differences and multiples by constants.

    In a kernel, `function(count, x, at, next, step, y, to, to_next, to_step)` does it `count`
    times: argument k of time i is at `x[at + i * next + k * step]`, and result k goes to
    `y[to + i * to_next + k * to_step]`. Written to LLVM without a detour, which for dozens of
    vectors takes Numba seconds, and as a loop, which LLVM would write out: that takes it seconds.
    """
    inputs = function.__code__.co_argcount

    @intrinsic
    def run(typing_context, count, x, at, next, step, y, to, to_next, to_step):
        number = types.intp

        def generate(context, builder, signature, arguments):
            count, x, at, next, step, y, to, to_next, to_step = arguments
            x_type, y_type = signature.args[1], signature.args[5]

            def pointer(memory_type, memory, start, step, k):
                index = builder.add(start, builder.mul(step, step.type(k)))
                return _pointer(context, builder, memory_type, memory, index)

            with cgutils.for_range(builder, _unknown(builder, count)) as loop:
                at = builder.add(at, builder.mul(loop.index, next))
                to = builder.add(to, builder.mul(loop.index, to_next))
                vectors = [
                    _Symbol(builder, builder.load(pointer(x_type, x, at, step, k), align=4))
                    for k in range(inputs)
                ]
                for k, result in enumerate(function(*vectors)):
                    builder.store(result.value, pointer(y_type, y, to, to_step, k), align=4)
            return context.get_dummy_value()

        return types.void(number, x, number, number, number, y, number, number, number), generate

    return run


# --------------------------------------------------------------------------- blocks of sums


class _Block(types.Type):
    """`BLOCK_ROWS` rows of `BLOCK_VECTORS` vectors, which LLVM keeps in registers."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{BLOCK_ROWS}x{BLOCK_VECTORS * LANES}")


_block = _Block()


@register_model(_Block)
class _BlockModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _LLVM_BLOCK)


def _places(context: Any, builder: Any, memory_type: Any, memory: Any, row_step: Any) -> Any:
    """Number in the block and pointer of each of its vectors in memory."""
    for i in range(BLOCK_ROWS * BLOCK_VECTORS):
        row, column = divmod(i, BLOCK_VECTORS)
        start = builder.mul(row_step, row_step.type(row))
        index = builder.add(start, start.type(column * LANES))
        yield i, _pointer(context, builder, memory_type, memory, index)


@intrinsic
def zero_block(typing_context):
    """A block of zeros."""

    def generate(context, builder, signature, arguments):
        return _LLVM_BLOCK([_LLVM_VECTOR([0.0] * LANES)] * (BLOCK_ROWS * BLOCK_VECTORS))

    return _block(), generate


@intrinsic
def load_block(typing_context, array, row_step):
    """The block whose row r starts at `array[r * row_step]`."""

    def generate(context, builder, signature, arguments):
        block = _LLVM_BLOCK(ir.Undefined)
        for i, pointer in _places(context, builder, signature.args[0], *arguments):
            block = builder.insert_value(block, builder.load(pointer, align=4), i)
        return block

    return _block(array, types.intp), generate


@intrinsic
def store_block(typing_context, array, row_step, block):
    """Write a block whose row r starts at `array[r * row_step]`."""

    def generate(context, builder, signature, arguments):
        *place, block = arguments
        for i, pointer in _places(context, builder, signature.args[0], *place):
            builder.store(builder.extract_value(block, i), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _block), generate


@intrinsic
def add_outer_product(typing_context, block, a, a_index, a_step, b, b_index):
    """`block[r, j] + a[a_index + r * a_step] * b[b_index + j]` for each row r and column j."""

    def generate(context, builder, signature, arguments):
        block, a, a_index, a_step, b, b_index = arguments
        _, a_type, _, _, b_type, _ = signature.args
        row = []
        for v in range(BLOCK_VECTORS):
            index = builder.add(b_index, b_index.type(v * LANES))
            pointer = _pointer(context, builder, b_type, b, index)
            row.append(builder.load(pointer, align=4))
        for i in range(BLOCK_ROWS * BLOCK_VECTORS):
            r, v = divmod(i, BLOCK_VECTORS)
            if v == 0:
                index = builder.add(a_index, builder.mul(a_step, a_step.type(r)))
                scalar = builder.load(_element(context, builder, a_type, a, index))
                factor = _in_every_lane(builder, scalar)
            product = builder.fmul(factor, row[v], flags=_ARITHMETIC)
            total = builder.fadd(builder.extract_value(block, i), product, flags=_ARITHMETIC)
            block = builder.insert_value(block, total, i)
        return block

    return _block(_block, a, types.intp, types.intp, b, types.intp), generate
