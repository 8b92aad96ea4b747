import MarketModel
import Primitives
import StreamCore

/// A tick of a bar's window: where it is, and what it did to the bar.
struct ExplainedTick: Sendable {
    /// A price that the bar has from a tick.
    enum Role: String, CaseIterable, Sendable { case open, high, low, close }

    /// As it came.
    let tick: ProofTick
    /// As it counted: with the corrections and cancels that apply to the bar.
    let taken: ProofTick
    let verdict: TickVerdict
    /// Its packet on the tape; `nil` for a tick that was read from its table.
    var packet: TapePlace?
    var roles: [Role] = []
    /// How table and tape disagree about it; `nil` if they agree, or one of them was not read.
    var disagreement: String?

    /// A packet on the tape of ticks.
    struct TapePlace: Equatable, Sendable {
        let sequence: UInt64
        let epoch: UInt64
    }

    var place: ProofRecords.Place {
        ProofRecords.Place(source: tick.source, ordinal: tick.ordinal)
    }

    /// What a person has to know besides the verdict.
    var remarks: [String] {
        var remarks: [String] = []
        if verdict.isIn, let was = tick.trade, let now = taken.trade,
            was.price != now.price || was.size != now.size
        {
            remarks.append("corrected from \(was.price) x \(was.size)")
        }
        if verdict.isIn, tick.header?.flags.contains(.backfilled) == true {
            remarks.append("fetched later from history")
        }
        if verdict.isIn, tick.source == .manual { remarks.append("put on the tape by a person") }
        if let disagreement { remarks.append(disagreement) }
        return remarks
    }

    /// Orders ticks as a window does: by event time, source and ordinal, a person's last.
    static func isBefore(_ one: ProofTick, _ other: ProofTick) -> Bool {
        func place(_ tick: ProofTick) -> (Int64, Int, SourceName, UInt64) {
            (tick.time, tick.source == .manual ? 1 : 0, tick.source, tick.ordinal)
        }
        return place(one) < place(other)
    }
}

extension ProofTick {
    /// The prices that a bar may take from it: first, highest, lowest, last. `field` says which
    /// number of a quote counts.
    func prices(_ field: InputField) -> (open: Price, high: Price, low: Price, close: Price) {
        if let bar = providerBar { return (bar.open, bar.high, bar.low, bar.close) }
        let price = quote.map { $0.price(of: field) } ?? trade?.price ?? .undefined
        return (price, price, price, price)
    }

    /// The price and the size for people.
    func shown(_ field: InputField) -> (price: String, size: String) {
        if let trade { return ("\(trade.price)", "\(trade.size)") }
        if let bar = providerBar {
            let volume =
                bar.volume == ProviderBar.undefinedVolume
                ? "-" : FixedPoint.text(bar.volume, decimals: Quantity.decimals)
            return ("\(bar.close)", volume)
        }
        return ("\(prices(field).close)", "-")
    }

    /// Returns what differs from the same tick in another place; `nil` if nothing does.
    func difference(from other: ProofTick, _ field: InputField) -> String? {
        let (own, its) = (shown(field), other.shown(field))
        if own.price != its.price { return "price \(its.price)" }
        if own.size != its.size { return "size \(its.size)" }
        if time != other.time { return "time \(Timestamp(nanoseconds: other.time))" }
        if symbol != other.symbol { return "symbol \(other.symbol)" }
        return nil
    }
}

extension [ExplainedTick] {
    /// Marks the ticks from which the bar has its prices: the first and the last one in the order
    /// of the window, and the earliest ones with the highest and the lowest price.
    mutating func markRoles(of bar: Bar, _ field: InputField) {
        let order = indices.filter { self[$0].verdict == .counts }
            .sorted { ExplainedTick.isBefore(self[$0].taken, self[$1].taken) }
        func prices(_ index: Int) -> (open: Price, high: Price, low: Price, close: Price) {
            self[index].taken.prices(field)
        }
        let found: [(ExplainedTick.Role, Int?)] = [
            (.open, order.first { prices($0).open == bar.open }),
            (.high, order.first { prices($0).high == bar.high }),
            (.low, order.first { prices($0).low == bar.low }),
            (.close, order.last { prices($0).close == bar.close }),
        ]
        for (role, index) in found {
            if let index { self[index].roles.append(role) }
        }
    }
}
