public import MarketModel

/// A condition on a tick, which filters and routes of a graph use, or a number of several inputs,
/// as a program for a stack machine. `ExpressionEvaluator` runs it.
///
/// Numbers are in 1e-9: prices as they are, sizes times ten, ids times 1e9. Times and durations are
/// in nanoseconds. A comparison is false if a value is undefined or leaves 128 bits.
public struct TickExpression: Hashable, Sendable {
    /// A step of the evaluation, on a stack of values.
    public enum Instruction: Hashable, Sendable {
        // These push a number.
        case number(Int128)
        case field(TickField)
        /// The input of a `Derivation` with this index.
        case input(Int)
        // These replace two numbers by one.
        case add
        case subtract
        case multiply
        /// Rounded half away from zero to 1e-9; undefined by zero.
        case divide
        // These replace two numbers by a truth value.
        case less
        case lessOrEqual
        case equal
        case notEqual
        case greaterOrEqual
        case greater
        // These push a truth value.
        case textIs(TickField, ShortText)
        /// The text has the character, or `conditions` have the code.
        case textHas(TickField, UInt8)
        case hasFlag(TickFlags)
        /// The trade is behind a join, and got the fields of a quote.
        case isPaired
        /// The symbol is one of this list of `symbolLists`.
        case symbolIsIn(Int)
        // These replace truth values.
        case and
        case or
        case not
    }

    /// The condition as written, with exactly one space between two words.
    public let text: String
    public let instructions: [Instruction]
    /// The lists of symbols that `symbolIsIn` names by their indexes.
    public let symbolLists: [[Symbol]]

    /// Expressions with more instructions are refused when they are read.
    public static let instructionsMax = 256
    /// Values that may be on the stack at the same time. Expressions that need more are refused.
    public static let stackMax = 32
    /// Symbols in the lists of an expression. Expressions with more are refused.
    public static let symbolsMax = 4_096

    public init(text: String, instructions: [Instruction], symbolLists: [[Symbol]] = []) {
        self.text = text
        self.instructions = instructions
        self.symbolLists = symbolLists
    }
}
