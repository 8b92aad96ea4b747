public import MarketModel

/// A condition on a tick, as a stack machine computes it: no names and no allocation are left.
///
/// Numbers are in 1e-9 (prices as they are, sizes times ten, ids times 1e9); times in nanoseconds,
/// so that a duration is written in nanoseconds, too. What is undefined, or leaves 128 bits, makes
/// the comparison that uses it false.
public struct TickExpression: Hashable, Sendable {
    public enum Instruction: Hashable, Sendable {
        // Push a number.
        case number(Int128)
        case field(TickField)
        // Replace two numbers by one.
        case add
        case subtract
        case multiply
        // Replace two numbers by a truth.
        case less
        case lessOrEqual
        case equal
        case notEqual
        case greaterOrEqual
        case greater
        // Push a truth.
        case textIs(TickField, ShortText)
        /// A text has the character; `conditions` have the code.
        case textHas(TickField, UInt8)
        case hasFlag(TickFlags)
        /// The symbol is one of this list of `symbolLists`.
        case symbolIsIn(Int)
        // Replace truths.
        case and
        case or
        case not
    }

    /// What a person wrote, with one blank between any two words.
    public let text: String
    public let instructions: [Instruction]
    public let symbolLists: [[Symbol]]

    /// More are refused where expressions are read.
    public static let instructionsMax = 256
    public static let stackMax = 32
    public static let symbolsMax = 4_096

    public init(text: String, instructions: [Instruction], symbolLists: [[Symbol]] = []) {
        self.text = text
        self.instructions = instructions
        self.symbolLists = symbolLists
    }
}
