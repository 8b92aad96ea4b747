import MarketModel
import Primitives
import ProviderKit

/// A router of three providers with one instrument. The test controls its time.
struct RouterBench {
    var router = FeedRouter(providers: ["a", "b", "c"])
    var work = FeedRouter.Work(providers: 3)
    /// The records that the router lets through, and its own.
    var kept: [ProviderRecord] = []
    var now: Int64 = 1_000

    var moment: Moment {
        .init(wall: RouterBench.at(now), monotonic: .at(now * 1_000_000_000))
    }

    static func at(_ seconds: Int64) -> Timestamp {
        Timestamp(nanoseconds: seconds * 1_000_000_000)
    }

    init(_ providers: [String] = []) {
        router.begin(0, providers: providers, moment, into: &work)
    }

    /// A provider reports the state of its feed.
    mutating func report(_ provider: Int, _ state: FeedState.State) {
        send(provider, .feed(FeedState(instrument: 0, state: state, time: RouterBench.at(now))))
    }

    mutating func send(_ provider: Int, _ record: ProviderRecord) {
        router.pass([record], from: provider, moment, into: &kept)
    }

    /// A provider sends a trade. Its id is its second.
    mutating func tick(_ provider: Int, at seconds: Int64, flags: TickFlags = []) {
        var header = TickHeader(
            symbol: 0, providerTime: RouterBench.at(seconds), receiveTime: RouterBench.at(now),
            providerID: UInt64(seconds))
        header.flags = flags
        send(
            provider,
            .tape(.trade(Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 1)))))
    }

    /// A provider sends a record of a gap; without `to` it lasts.
    mutating func gap(
        _ provider: Int, from: Int64, to: Int64?, _ state: GapState = .open
    ) {
        send(
            provider,
            .tape(
                .gap(
                    GapRecord(
                        header: TickHeader(
                            symbol: 0, providerTime: .undefined, receiveTime: RouterBench.at(now),
                            providerID: 0), from: RouterBench.at(from),
                        to: to.map { RouterBench.at($0) } ?? .undefined, kind: .trade,
                        reason: .disconnected, state: state))))
    }

    mutating func subscription(_ provider: Int, _ action: SubscriptionAction) {
        send(
            provider,
            .tape(
                .subscription(
                    SubscriptionRecord(
                        header: TickHeader(
                            symbol: 0, providerTime: .undefined, receiveTime: RouterBench.at(now)),
                        action: action, kind: .trade, mode: .live, provider: "p"))))
    }

    /// Removes the instrument from the list. Keeps the router's records about that.
    mutating func end() {
        router.end(0, moment, into: &work)
        kept += work.records
        work.records = []
    }

    /// Changes the instrument's data in the list.
    mutating func restart(_ providers: [String] = []) {
        work = FeedRouter.Work(providers: 3)
        router.restart(0, providers: providers, moment, into: &work)
        kept += work.records
        work.records = []
    }

    /// The second provider has delivered for a while, and the preferred one is to take over at
    /// 1033.
    mutating func beginReturn() {
        report(0, .refused)
        pass(seconds: 1)
        report(1, .live)
        tick(1, at: 1_001)
        report(0, .live)
        pass(seconds: 30)
    }

    mutating func pass(seconds: Int64) {
        for _ in 0..<seconds {
            now += 1
            router.advance(moment, into: &work)
        }
        kept += work.records
        work.records = []
    }

    /// The ids of the trades.
    var trades: [UInt64] {
        kept.compactMap {
            if case .tape(.trade(let tick)) = $0 { tick.header.providerID } else { nil }
        }
    }
    /// The changes of the provider, such as `a>b@1006`.
    var switches: [String] {
        kept.compactMap { record in
            guard case .tape(.subscription(let found)) = record,
                found.action == SubscriptionAction.switchProvider.rawValue
            else { return nil }
            let second = found.header.receiveTime.nanoseconds / 1_000_000_000
            return "\(found.previousProvider)>\(found.provider)@\(second)"
        }
    }
    /// The recorded gaps, such as `1001-1008`, with the reason if one was given up.
    var gaps: [String] {
        kept.compactMap { record in
            guard case .tape(.gap(let gap)) = record else { return nil }
            let to = gap.to.isDefined ? "\(gap.to.nanoseconds / 1_000_000_000)" : ""
            let isLeft = gap.state == GapState.abandoned.rawValue
            return "\(gap.from.nanoseconds / 1_000_000_000)-\(to)"
                + (isLeft ? " \(gap.detail)" : "")
        }
    }
    /// The stopped feeds, such as `any of a`.
    var stops: [String] {
        kept.compactMap { record in
            guard case .tape(.subscription(let found)) = record,
                found.action == SubscriptionAction.stop.rawValue
            else { return nil }
            let kind = DataKind(rawValue: found.kind).map { "\($0)" } ?? "?"
            return "\(kind) of \(found.provider)"
        }
    }
}
