public import MarketModel

/// What a `ScanRule` with an expression in place of a condition computes: one number of the bars of
/// named symbols, and of indicators.
public struct Derivation: Hashable, Sendable {
    /// What an `.input` of the expression stands for.
    public enum Input: Hashable, Sendable {
        /// A number of the symbol's bar, one of `ScanRule.fields`.
        case bar(Symbol, TickField)
        case indicator(Indicator)

        public var symbol: Symbol {
            switch self {
            case .bar(let symbol, _): symbol
            case .indicator(let indicator): indicator.symbol
            }
        }
    }

    /// A value of a symbol. Of several, the last one before a window's end counts.
    public struct Indicator: Hashable, Sendable {
        /// Its name in the expression.
        public var alias: String
        public var symbol: Symbol
        /// The name that its provider gives it, or under which an operator publishes it.
        public var name: String
        /// Whether an operator of the graph makes it, so that it is in the packets of bars.
        public var isOfOperator: Bool

        public init(alias: String, symbol: Symbol, name: String, isOfOperator: Bool) {
            self.alias = alias
            self.symbol = symbol
            self.name = name
            self.isOfOperator = isOfOperator
        }

        /// Returns its name in the packets of bars. Partitions republish one of a provider there.
        public func published(for node: String) -> String {
            isOfOperator ? name : "\(node).\(alias)"
        }
    }

    /// By the index in `.input`.
    public var inputs: [Input]
    /// How long after its end, in nanoseconds, the close of a bar stands for that of a window
    /// without one.
    public var maxAge: Int64

    /// The symbols of one expression. Expressions with more are refused.
    public static let symbolsMax = 16
    /// The expressions of one graph. A graph with more is refused.
    public static let perGraphMax = 32
    public static let maxAgeMax: Int64 = 604_800_000_000_000
    /// Windows that wait or may be revised. Beyond, an indicator that needs one more is left out
    /// and counted (`ScanCounters.unknownSymbol`): its time is far ahead.
    static let windowsMax = 4_096

    public init(inputs: [Input], maxAge: Int64 = 0) {
        self.inputs = inputs
        self.maxAge = min(max(maxAge, 0), Self.maxAgeMax)
    }

    /// The name of the number behind that of its node.
    public static let name = "value"

    /// The indicators, each once, in the order of the inputs.
    public var indicators: [Indicator] {
        inputs.compactMap { if case .indicator(let indicator) = $0 { indicator } else { nil } }
    }

    /// The symbols, each once, in the order of the inputs.
    public var symbols: [Symbol] {
        inputs.reduce(into: []) { if !$0.contains($1.symbol) { $0.append($1.symbol) } }
    }
}
