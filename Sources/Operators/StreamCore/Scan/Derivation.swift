public import MarketModel

/// What a `ScanRule` with an expression in place of a condition computes: one number of the bars of
/// named symbols, and of values of providers.
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

    /// A value that a provider gives of a symbol. Of several, the last one that was received before
    /// a window's end counts.
    public struct Indicator: Hashable, Sendable {
        /// Its name in the expression.
        public var alias: String
        public var symbol: Symbol
        /// The name that its provider gives it.
        public var name: String

        public init(alias: String, symbol: Symbol, name: String) {
            self.alias = alias
            self.symbol = symbol
            self.name = name
        }

        /// Returns its name in the packets of bars, in which partitions pass it on.
        public func published(for node: String) -> String { "\(node).\(alias)" }
    }

    /// By the index in `.input`.
    public var inputs: [Input]
    /// How long after its end, in nanoseconds, the close of a bar stands for that of a window
    /// without one.
    public var maxAge: Int64

    /// The symbols of one expression. Expressions with more are refused.
    public static let symbolsMax = 16
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

    /// The values of providers, with the indexes of their inputs.
    public var indicators: [(input: Int, indicator: Indicator)] {
        inputs.enumerated().compactMap { index, input in
            if case .indicator(let indicator) = input { (index, indicator) } else { nil }
        }
    }

    /// The symbols, each once, in the order of the inputs.
    public var symbols: [Symbol] {
        inputs.reduce(into: []) { if !$0.contains($1.symbol) { $0.append($1.symbol) } }
    }
}
