package import MarketModel

// How the loop of a provider calls what other engines do not have.
extension BinanceEngine {
    package typealias Answer = BinanceFetchOutcome
    package typealias Output = BinanceOutput

    package mutating func answered(
        _ number: UInt64, _ answer: Answer, _ now: Moment, into out: inout Output
    ) {
        fetched(number, answer, now, into: &out)
    }

    package mutating func restart(_ instrument: UInt32, _ kind: DataKind) {
        if kind == .depth { restartBook(of: instrument) }
    }
}
