import MarketModel
import Primitives
import ProviderKit

/// What a tenure takes its ticks from: a market that is made up here, or what providers deliver.
///
/// Exactly one of the two is there. Two optionals and no enum: so that a tick is taken in place.
struct TickSupply {
    private var made: SyntheticProvider?
    private var delivered: DeliveredTicks?

    init(_ made: SyntheticProvider) { self.made = made }
    init(_ delivered: DeliveredTicks) { self.delivered = delivered }

    // MARK: what is next

    /// When the next tick is due; nil: there is none.
    var nextDue: Timestamp? {
        if let made { return made.nextDue }
        return delivered?.hasNext == true ? Timestamp(nanoseconds: Int64.min) : nil
    }

    /// Nothing says when the next tick comes.
    var isAwaited: Bool { delivered != nil }

    /// The number of the next record's symbol, when it is due; `noSymbol`: it concerns none.
    @inline(__always)
    mutating func dueSymbol(now: Timestamp) -> Int? {
        if made != nil { return made?.dueSymbol(now: now) }
        return delivered?.dueSymbol()
    }

    static let noSymbol = Int.max

    /// Of the next record: what has to be known to leave it out. Nil: it is always taken.
    var nextKind: DataKind? {
        if let made { return made.nextIsTrade ? .trade : .quote }
        return delivered?.nextKind
    }

    /// It was fetched to fill a gap.
    var isNextFetched: Bool { delivered?.isNextFetched ?? false }

    /// It empties a book.
    var isNextReset: Bool { delivered?.isNextReset ?? false }

    var nextTime: Timestamp { made?.nextTime ?? delivered?.nextTime ?? .undefined }

    /// The next record; nil when there is nothing of it for the tape. Moves on either way.
    @inline(__always)
    mutating func take(received: Timestamp) -> ProviderRecord? {
        guard made != nil else { return delivered?.take() }
        switch made?.take(received: received) {
        case .trade(let trade): return .tape(.trade(trade))
        case .quote(let quote): return .tape(.quote(quote))
        case nil: return nil
        }
    }

    /// The record that was taken last is taken again. Only for delivered ones.
    mutating func putBack() { delivered?.putBack() }

    // MARK: clocks

    /// The time that providers stamp receive times with, as its distance from the monotonic clock.
    func follow(clockOffset: Int64) { delivered?.follow(clockOffset: clockOffset) }

    /// So far ahead of that time a provider's clock is for certain, if one has said so just now.
    func takeClockAhead() -> Int64? { delivered?.takeClockAhead() }

    // MARK: how far it is

    /// No later live tick has an event time below this.
    func watermark(now: Timestamp) -> Timestamp {
        made?.watermark(now: now) ?? delivered?.watermark(now: now)
            ?? Timestamp(nanoseconds: Int64.min)
    }

    var lastPassed: (id: UInt64, time: Timestamp)? { made?.lastPassed }

    mutating func passOver(_ isLost: [Bool]) { made?.passOver(isLost) }

    /// Records that were handed out since it began.
    var next: UInt64 { made?.next ?? delivered?.taken ?? 0 }

    var isFinished: Bool { made?.isFinished ?? delivered?.isFinished ?? true }

    /// Nothing comes any more, and its watermark goes no further. That of a made market does.
    var hasEnded: Bool { delivered?.isFinished ?? false }

    /// It cannot wait: what is not taken in time is lost, so there is a spool for it.
    var isUrgent: Bool { delivered?.isUrgent ?? true }

    /// Its ticks are not held against the time.
    var isRecorded: Bool { delivered?.isRecorded ?? false }

    // MARK: providers

    var providers: [any ProviderSource] { delivered?.providers ?? [] }

    func symbol(_ number: Int) -> Symbol? {
        if let symbols = made?.market.settings.symbols {
            return symbols.indices.contains(number) ? symbols[number] : nil
        }
        return UInt32(exactly: number).flatMap { delivered?.book.instrument($0)?.symbol }
    }

    /// Who delivers the symbol of this number now.
    func feeder(_ number: Int) -> String {
        UInt32(exactly: number).flatMap { delivered?.feeder($0) } ?? provider
    }

    /// Who delivers what, when there is a choice.
    var feeders: [(symbol: Symbol, provider: String)] { delivered?.feeders ?? [] }

    /// Nil: it is in no list.
    func number(of symbol: Symbol) -> Int? {
        if let symbols = made?.market.settings.symbols { return symbols.firstIndex(of: symbol) }
        return delivered?.book.number(of: symbol).map { Int($0) }
    }

    /// The name that the symbol's definition on the tape has.
    var provider: String { made == nil ? delivered?.presentProvider ?? "" : "synthetic" }

    /// The book has changed.
    mutating func follow(_ change: InstrumentBook.Change) { delivered?.follow(change) }

    /// Lets instruments change their provider. Per switch: which, from whom, to whom.
    mutating func look() -> [(symbol: Symbol, from: String, to: String)] {
        guard let switches = delivered?.look(), !switches.isEmpty else { return [] }
        return switches.compactMap { change in
            guard let delivered, let symbol = delivered.book.instrument(change.instrument)?.symbol
            else { return nil }
            return (symbol, delivered.name(of: change.from), delivered.name(of: change.to))
        }
    }

    /// Whoever delivers the symbol is to begin anew with one kind of its data. False: it cannot.
    func restart(_ number: Int, _ kind: DataKind) -> Bool {
        UInt32(exactly: number).flatMap { delivered?.restart($0, kind) } ?? false
    }

    var unrouted: UInt64 { delivered?.unrouted ?? 0 }

    /// Nothing more is let in; what waits can still be taken.
    func close() { delivered?.close() }

    /// Records that came and were not taken.
    var waiting: Int { delivered?.waiting ?? 0 }

    /// Without order: nothing of what they say then is taken.
    func stop(within timeout: Duration) { delivered?.stop(within: timeout) }
}
