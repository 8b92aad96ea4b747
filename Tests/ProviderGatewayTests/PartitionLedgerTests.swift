import MarketModel
import Primitives
import Seeds
import TapeCodec
import Testing

@testable import ProviderGateway

/// A partition of a source whose packets a test determines.
struct LedgerTape {
    struct Packet {
        let header: PacketHeader
        let bytes: [UInt8]
        let sequence: UInt64
    }

    static let symbols = ["AAPL", "SPY"].compactMap { Symbol($0) }

    private(set) var packets: [Packet] = []
    private var builder: PacketBuilder
    private var spare: SealedPacket?
    private var numbers: [UInt32] = []
    private var nextOrdinal: UInt64 = 1
    private var sequence: UInt64 = 0

    init(partition: Partition = Partition(0), symbols: [Symbol] = Self.symbols) throws {
        builder = PacketBuilder(
            kind: .ticks, partition: partition, source: try #require(SourceName("feed")))
        numbers = symbols.map {
            builder.register(SymbolDefinition(symbol: $0, provider: "p", since: .undefined))
        }
    }

    static func at(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: second * 1_000_000_000)
    }

    func header(_ symbol: Int, _ second: Int64, _ flags: TickFlags = []) -> TickHeader {
        TickHeader(
            symbol: numbers[symbol], flags: flags, resolution: TimeResolution.second.rawValue,
            providerTime: Self.at(second), receiveTime: Self.at(second))
    }

    mutating func trade(
        _ symbol: Int, _ second: Int64, _ flags: TickFlags = [], id: UInt64 = 0
    ) {
        var header = header(symbol, second, flags)
        header.providerID = id
        let trade = Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 1))
        append(.trade(trade))
    }

    /// Adds a fetched bar that closes at `second`.
    mutating func bar(
        _ symbol: Int, _ second: Int64, width: Int64 = 1, _ kind: ProviderBarKind = .trades
    ) {
        let bar = ProviderBar(
            header: header(symbol, second, .backfilled), openTime: Self.at(second - width),
            closeTime: Self.at(second), kind: kind)
        append(.providerBar(bar))
    }

    /// Adds the bar of a day, fetched at `now`. A bar in progress has `now` as its event time.
    mutating func day(_ symbol: Int, until end: Int64, fetchedAt now: Int64) {
        var header = header(symbol, min(end, now), .backfilled)
        header.resolution = TimeResolution.day.rawValue
        let bar = ProviderBar(
            header: header, openTime: Self.at(end - 86_400), closeTime: Self.at(end),
            kind: .trades)
        append(.providerBar(bar))
    }

    /// Adds a headline of the past, as it is requested at a start.
    mutating func headline(_ symbol: Int, _ second: Int64) {
        append(
            .news(
                NewsHeadline(
                    header: header(symbol, second, .backfilled), provider: "BRFG",
                    article: "BRFG$\(second)", headline: "h")))
    }

    /// Adds an indicator, as it comes when the instrument is requested.
    mutating func indicator(_ symbol: Int, _ second: Int64) {
        append(
            .indicator(
                IndicatorValue(
                    header: header(symbol, second, .backfilled), name: "first-time", value: 1,
                    periodStart: .undefined, periodEnd: .undefined)))
    }

    /// Adds a value of a polled series, whose period begins at a second.
    mutating func value(_ symbol: Int, period: Int64, _ value: Int128, revision: UInt64 = 0) {
        append(
            .indicator(
                IndicatorValue(
                    header: header(symbol, 1_000), name: "value", value: value,
                    periodStart: Self.at(period), periodEnd: Self.at(period + 1), revision: revision
                )))
    }

    mutating func gap(
        _ symbol: Int, _ from: Int64, _ to: Int64?, _ state: GapState = .open,
        _ kind: DataKind = .trade, _ reason: GapReason = .disconnected
    ) {
        let record = GapRecord(
            header: header(symbol, from), from: Self.at(from), to: to.map(Self.at) ?? .undefined,
            kind: kind, reason: reason, state: state)
        append(.gap(record))
    }

    mutating func subscription(
        _ symbol: Int, _ action: SubscriptionAction, _ kind: DataKind = .trade
    ) {
        let record = SubscriptionRecord(
            header: header(symbol, 1), action: action, kind: kind, mode: .live, provider: "p")
        append(.subscription(record))
    }

    private mutating func append(_ record: TapeRecord) {
        let outcome = builder.append(record)
        #expect(outcome == .appended)
    }

    /// Ends the packet and puts it on the tape.
    mutating func seal() {
        guard builder.tickCount > 0 else { return }
        sequence += 3
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: nextOrdinal, watermark: Self.at(0), sendTime: Self.at(0)),
            recycling: spare.take())
        nextOrdinal = packet.header.nextOrdinal
        packets.append(
            Packet(
                header: packet.header, bytes: packet.withBytes { $0.array }, sequence: sequence))
        spare = packet
    }

    /// Returns the ledger of a reader of all packets after the position of `ledger`.
    func fold(
        _ ledger: PartitionLedger = PartitionLedger(), without lost: Range<Int>? = nil,
        idsOf: String? = nil, valuesOf: Set<String> = []
    ) -> PartitionLedger {
        var ledger = ledger
        for (index, packet) in packets.enumerated()
        where packet.sequence > ledger.position.sequence && lost?.contains(index) != true {
            packet.bytes.withRawSpan {
                _ = ledger.take(
                    $0, packet.header, sequence: packet.sequence,
                    FollowedProviders(ids: idsOf, values: valuesOf))
            }
        }
        return ledger
    }
}

@Suite("What the tape says is missing")
struct PartitionLedgerTests {
    /// The text is that of `BucketFileTests` of the tool, which makes it.
    @Test("a ledger that an import put back says what is missing, from the beginning of the tape")
    func putBack() throws {
        let json =
            #"{"v":1,"time":"1970-01-01T00:00:00.000000007Z","sequence":0,"#
            + #""last_ordinal":0,"whole":false,"symbols":[{"symbol":"SPY","fed":0,"known":false,"#
            + #""missing":[{"kind":1,"reason":1,"from":1000,"to":2000}]},{"symbol":"QQQ","fed":0,"#
            + #""known":false,"missing":[{"kind":1,"reason":2,"from":10,"to":20,"done":12,"#
            + #""doubtful":13,"bars":false}]}]}"#
        let ledger = try PartitionLedger(json: Array(json.utf8))
        #expect(ledger.position == PartitionLedger.Position() && !ledger.isWhole)
        let missing = ledger.missing.sorted { $0.part.from < $1.part.from }
        #expect(missing.map(\.symbol.text) == ["QQQ", "SPY"])
        #expect(missing.map(\.part.to.nanoseconds) == [20, 2_000])
        #expect(missing[0].part.begun?.doubtful.nanoseconds == 13)
        #expect(missing.allSatisfy { ledger.isFed($0.symbol) })
    }

    private func missing(_ ledger: PartitionLedger, _ symbol: Int = 0) -> [String] {
        (ledger.entries[LedgerTape.symbols[symbol]]?.missing.parts ?? [])
            .sorted { ($0.from, $0.kind) < ($1.from, $1.kind) }
            .map { part in
                let end = part.hasEnded ? "\(part.to.nanoseconds / 1_000_000_000)" : ""
                return "\(part.from.nanoseconds / 1_000_000_000)-\(end)"
            }
    }

    @Test("a gap begins, ends, and goes away as its parts are settled; filling changes nothing")
    func life() throws {
        var tape = try LedgerTape()
        tape.gap(0, 10, nil)
        tape.seal()
        #expect(missing(tape.fold()) == ["10-"])
        tape.gap(0, 10, 30)
        tape.gap(0, 10, 30, .filling)
        tape.seal()
        #expect(missing(tape.fold()) == ["10-30"])
        tape.gap(0, 8, 20, .filled)
        tape.seal()
        #expect(missing(tape.fold()) == ["20-30"])
        tape.gap(0, 22, 24, .abandoned)
        tape.seal()
        #expect(missing(tape.fold()) == ["20-22", "24-30"])
        tape.gap(0, 20, 30, .filled)
        tape.seal()
        let ledger = tape.fold()
        #expect(missing(ledger).isEmpty && ledger.entries.isEmpty)
        #expect(ledger.position == .init(sequence: 15, lastOrdinal: 6))
    }

    @Test("the ids of the provider that continues by them are followed, and what they lack")
    func ids() throws {
        var tape = try LedgerTape()
        for symbol in 0...1 { tape.subscription(symbol, .start) }
        tape.trade(0, 10, id: 500)
        tape.trade(1, 11, id: 7)
        tape.trade(0, 12, id: 501)
        tape.seal()
        let last = LedgerTape.symbols.map { tape.fold(idsOf: "p").entries[$0]?.ids?.last }
        #expect(last.map { $0?.id } == [501, 7])
        #expect(last.map { $0?.time } == [LedgerTape.at(12), LedgerTape.at(11)])
        for other in [nil, "q"] {
            #expect(tape.fold(idsOf: other).entries.values.allSatisfy { $0.ids == nil })
        }
        // 502 to 504 are missing, in a packet; 506 between packets.
        tape.gap(0, 12, 20, .open, .trade, .providerLoss)
        tape.trade(0, 20, id: 505)
        tape.seal()
        tape.gap(0, 20, 30, .open, .trade, .providerLoss)
        tape.trade(0, 30, id: 507)
        tape.seal()
        func missing() -> [Range<UInt64>?] {
            tape.fold(idsOf: "p").missing.filter { $0.symbol == LedgerTape.symbols[0] }
                .map(\.part).sorted { $0.from < $1.from }.map(\.ids)
        }
        #expect(missing() == [502..<505, 506..<507])
        tape.trade(0, 14, .backfilled, id: 502)
        tape.seal()
        #expect(missing() == [503..<505, 506..<507])
        let ledger = tape.fold(idsOf: "p")
        #expect(try PartitionLedger(json: ledger.json(time: LedgerTape.at(40))) == ledger)
        // A successor asks for the rest, and is in no doubt about the time of what came.
        let handOver = GapHandOver(ledger.missing, now: LedgerTape.at(50)) { _ in (0, .trades) }
        #expect(handOver.gaps.map(\.ids) == [503...504, 506...506])
        #expect(handOver.settlements.isEmpty)
        tape.gap(0, 12, 20, .filled)
        tape.seal()
        #expect(missing() == [506..<507])
        // What is not requested any more is forgotten.
        tape.gap(0, 20, 30, .abandoned)
        tape.subscription(0, .stop)
        tape.seal()
        #expect(tape.fold(idsOf: "p").entries[LedgerTape.symbols[0]] == nil)
    }

    @Test(
        "trades that all came without the record that tells of them fill their gap",
        arguments: [([502, 503, 504], true), ([502, 504], false)] as [([UInt64], Bool)])
    func allCame(ids: [UInt64], isFilled: Bool) throws {
        var tape = try LedgerTape()
        tape.subscription(0, .start)
        tape.trade(0, 12, id: 501)
        tape.gap(0, 12, 20, .open, .trade, .providerLoss)
        tape.trade(0, 20, id: 505)
        tape.seal()
        for id in ids { tape.trade(0, Int64(id) - 488, .backfilled, id: id) }
        tape.seal()
        let ledger = tape.fold(idsOf: "p")
        #expect(try PartitionLedger(json: ledger.json(time: LedgerTape.at(40))) == ledger)
        let handOver = GapHandOver(ledger.missing, now: LedgerTape.at(50)) { _ in (0, .trades) }
        let first = try #require(handOver.settlements.first)
        #expect(first.state == .filled && first.detail == GapHandOver.cameBefore)
        #expect(handOver.gaps.isEmpty == isFilled)
        guard isFilled else { return }
        #expect(handOver.settlements.count == 1)
        #expect(first.part.from == LedgerTape.at(12) && first.part.to == LedgerTape.at(20))
        // A later gap has its own ids again.
        tape.gap(0, 12, 20, .filled)
        tape.gap(0, 20, 30, .open, .trade, .providerLoss)
        tape.trade(0, 30, id: 507)
        tape.seal()
        #expect(tape.fold(idsOf: "p").missing.map { $0.part.ids?.count } == [1])
    }

    @Test("a provider that counts from anew has nothing missing before it")
    func idsFromAnew() throws {
        var tape = try LedgerTape()
        tape.subscription(0, .start)
        for (second, id) in [(10, 500), (11, 503), (12, 1), (13, 2)] as [(Int64, UInt64)] {
            tape.trade(0, second, id: id)
        }
        tape.seal()
        let ids = tape.fold(idsOf: "p").entries[LedgerTape.symbols[0]]?.ids
        #expect(ids == TradeIDs(LastTrade(id: 2, time: LedgerTape.at(13))))
    }

    @Test("the last values of a provider that publishes what has changed are known, and stored")
    func values() throws {
        var tape = try LedgerTape()
        tape.subscription(0, .start, .indicator)
        tape.value(0, period: 20, 5)
        tape.value(0, period: 10, 4)
        tape.value(1, period: 10, 4)
        tape.value(0, period: 20, Int128.max - 1, revision: 1)
        tape.seal()
        #expect(tape.fold().entries[LedgerTape.symbols[0]]?.values == LastValues())
        let ledger = tape.fold(valuesOf: ["p", "q"])
        let wanted: [LastValues.Value] = [
            .init(periodStart: LedgerTape.at(10), value: 4, revision: 0),
            .init(periodStart: LedgerTape.at(20), value: Int128.max - 1, revision: 1),
        ]
        #expect(ledger.entries[LedgerTape.symbols[0]]?.values.values == wanted)
        // Nothing says that the other one is requested.
        #expect(ledger.entries[LedgerTape.symbols[1]] == nil)
        #expect(try PartitionLedger(json: ledger.json(time: LedgerTape.at(40))) == ledger)
        for period in 30..<50 { tape.value(0, period: Int64(period), 1) }
        tape.value(0, period: 5, 1)
        tape.seal()
        let last = tape.fold(ledger, valuesOf: ["p"]).entries[LedgerTape.symbols[0]]?.values.values
        #expect(last?.map(\.periodStart) == (34..<50).map { LedgerTape.at($0) })
        tape.subscription(0, .stop, .indicator)
        tape.seal()
        #expect(tape.fold(valuesOf: ["p"]).entries[LedgerTape.symbols[0]] == nil)
    }

    @Test("kinds and instruments do not touch each other, and what is told again is one gap")
    func apart() throws {
        var tape = try LedgerTape()
        tape.gap(0, 10, nil)
        tape.gap(0, 10, nil, .open, .quote)
        tape.gap(1, 10, 12)
        tape.gap(0, 10, 20)
        tape.gap(0, 10, 20)
        tape.gap(1, 10, 12, .abandoned, .quote)
        tape.seal()
        #expect(missing(tape.fold()) == ["10-20", "10-"] && missing(tape.fold(), 1) == ["10-12"])
        // The next outage begins before the last one's end, by the resolution of stamps. The data
        // in between keep them apart.
        tape.gap(0, 19, nil)
        tape.seal()
        #expect(missing(tape.fold()) == ["10-20", "10-", "20-"])
        tape.gap(0, 19, 40)
        tape.seal()
        #expect(missing(tape.fold()) == ["10-20", "10-", "20-40"])
        // Nothing new.
        tape.gap(0, 12, 18)
        tape.seal()
        #expect(missing(tape.fold()) == ["10-20", "10-", "20-40"])
        tape.gap(0, 10, 50, .filled, .any)
        tape.seal()
        #expect(missing(tape.fold()) == ["50-"] && missing(tape.fold(), 1) == ["10-12"])
    }

    @Test("what a policy left out, or a tape lost, is no gap that anybody fills in")
    func notFilled() throws {
        var tape = try LedgerTape()
        tape.gap(0, 10, 20, .open, .quote, .dropped)
        tape.gap(0, 10, 20, .open, .any, .tapeLost)
        tape.seal()
        #expect(tape.fold().missing.isEmpty)
    }

    @Test("ticks that were fetched without the record that tells of them are noted with the gap")
    func begun() throws {
        var tape = try LedgerTape()
        tape.gap(0, 10, 30)
        tape.trade(0, 11, .backfilled)
        tape.trade(0, 14, .backfilled)
        tape.trade(0, 40, .backfilled)
        tape.trade(0, 16)
        tape.trade(1, 17, .backfilled)
        tape.seal()
        let part = try #require(tape.fold().missing.first?.part)
        #expect(
            part.begun
                == .init(done: LedgerTape.at(14), doubtful: LedgerTape.at(15), areBars: false))
        // The record comes later nevertheless.
        tape.gap(0, 10, 20, .filled)
        tape.seal()
        #expect(tape.fold().missing.first?.part.begun == nil)
        tape.bar(0, 25)
        tape.seal()
        let bars = try #require(tape.fold().missing.first?.part)
        #expect(bars.begun?.areBars == true && bars.begun?.done == LedgerTape.at(25))
    }

    @Test("a fetched bar is noted with what it can fill, and with nothing else")
    func bars() throws {
        let ticks: [DataKind] = [.trade, .quote]
        let tables: [(width: Int64, kind: ProviderBarKind, fills: [DataKind])] = [
            (1, .trades, [.any, .trade]), (1, .unknown, [.any, .trade]),
            (1, .bidAsk, [.any, .quote]), (5, .trades, [.any, .providerBar]),
            (5, .midpoint, [.any, .providerBar]), (10, .trades, []), (60, .trades, []),
            (86_400, .trades, []),
        ]
        for (width, kind, fills) in tables {
            for gap in ticks + [.any, .providerBar, .depth] {
                var tape = try LedgerTape()
                tape.gap(0, 10, 30, .open, gap)
                tape.bar(0, 20, width: width, kind)
                tape.day(0, until: 25, fetchedAt: 100)
                tape.day(0, until: 86_400, fetchedAt: 28)
                tape.seal()
                let begun = try #require(tape.fold().missing.first?.part).begun
                let areBars = gap != .providerBar
                let wanted =
                    fills.contains(gap)
                    ? MissingPart.Begun(
                        done: LedgerTape.at(20), doubtful: LedgerTape.at(21), areBars: areBars)
                    : nil
                #expect(begun == wanted, "\(width) s of \(kind) in a gap of \(gap)")
            }
        }
    }

    @Test("who is asked for is known from subscriptions; after a hole it is taken for true")
    func fed() throws {
        var tape = try LedgerTape()
        let (aapl, spy) = (LedgerTape.symbols[0], LedgerTape.symbols[1])
        #expect(!tape.fold().isFed(aapl))
        tape.subscription(0, .start)
        tape.subscription(0, .start, .quote)
        tape.subscription(1, .start)
        tape.seal()
        #expect(tape.fold().isFed(aapl) && tape.fold().isFed(spy))
        tape.subscription(0, .stop)
        tape.subscription(1, .stop, .any)
        tape.seal()
        #expect(tape.fold().isFed(aapl) && !tape.fold().isFed(spy))
        tape.subscription(0, .stop, .quote)
        tape.seal()
        tape.trade(0, 5)
        tape.seal()
        let whole = tape.fold()
        #expect(whole.isWhole && !whole.isFed(aapl) && whole.entries.isEmpty)
        var holed = tape.fold(without: 0..<2)
        #expect(!holed.isWhole && holed.isFed(spy) && !holed.isFed(aapl))
        // From the next tenure on the subscriptions are known again.
        holed.begin([spy])
        #expect(holed.isWhole && holed.isFed(spy) && !holed.isFed(aapl))
        tape.subscription(1, .start)
        tape.subscription(1, .stop)
        tape.seal()
        #expect(!tape.fold(holed).isFed(spy))
        // An instrument that is removed from the list is no longer requested.
        var left = PartitionLedger()
        left.entries[spy] = PartitionLedger.Entry(fed: 2, isKnown: true)
        left.begin([aapl])
        #expect(!left.isFed(spy) && left.entries.isEmpty)
    }

    @Test("what is stored is read again as it was, and what is damaged is refused as a whole")
    func stored() throws {
        var tape = try LedgerTape()
        tape.subscription(0, .start)
        tape.gap(0, 10, nil)
        tape.gap(1, 10, 30)
        tape.trade(1, 14, .backfilled)
        tape.seal()
        for ledger in [PartitionLedger(), tape.fold(), tape.fold(without: 0..<1)] {
            #expect(try PartitionLedger(json: ledger.json(time: LedgerTape.at(1))) == ledger)
        }
        let wrong = [
            "", "[]", #"{"v":1,"sequence":1,"last_ordinal":-1,"whole":true,"symbols":[]}"#,
            #"{"v":1,"sequence":1,"last_ordinal":1,"whole":true,"symbols":[{"symbol":""}]}"#,
            #"{"v":1,"sequence":1,"last_ordinal":1,"whole":true,"symbols":"#
                + #"[{"symbol":"A","fed":1,"known":true,"missing":[{"kind":300}]}]}"#,
        ]
        for text in wrong {
            #expect(throws: VersionedJSON.Refusal.self, "\(text)") {
                try PartitionLedger(json: Array(text.utf8))
            }
        }
    }

    @Test("a stored ledger has these bytes")
    func golden() throws {
        var ledger = PartitionLedger()
        ledger.isWhole = false
        ledger.position = PartitionLedger.Position(sequence: 9, lastOrdinal: 7)
        var part = MissingPart(
            kind: 1, reason: 2, from: Timestamp(nanoseconds: 3), to: Timestamp(nanoseconds: 8))
        part.begun = MissingPart.Begun(
            done: Timestamp(nanoseconds: 4), doubtful: Timestamp(nanoseconds: 5), areBars: true)
        ledger.entries[LedgerTape.symbols[0]] = PartitionLedger.Entry(
            fed: 3, isKnown: true, missing: MissingParts([part]))
        let text = String(decoding: ledger.json(time: Timestamp(nanoseconds: 6)), as: UTF8.self)
        #expect(
            text == """
                {"v":1,"time":"1970-01-01T00:00:00.000000006Z","sequence":9,"last_ordinal":7,\
                "whole":false,"symbols":[{"symbol":"AAPL","fed":3,"known":true,"missing":\
                [{"kind":1,"reason":2,"from":3,"to":8,"done":4,"doubtful":5,"bars":true}]}]}
                """)
        let newer = Array(text.replacing(#""v":1"#, with: #""v":2"#).utf8)
        let refusal = #expect(throws: VersionedJSON.Refusal.self) {
            try PartitionLedger(json: newer)
        }
        #expect(refusal?.isNewer == true)
    }

    /// The events of one instrument and kind, in seconds.
    private struct Truth {
        var missing: Set<Int64> = []
        var openFrom: Int64?
    }

    @Test(
        "stored at any time, killed at any time: a successor knows what the whole tape says",
        arguments: Seeds(fixed: 0...199).all())
    func simulated(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var tape = try LedgerTape()
        var truth: [[Truth]] = [[Truth(), Truth()], [Truth(), Truth()]]
        let kinds: [DataKind] = [.trade, .quote]
        var second: Int64 = 100
        var live = PartitionLedger()
        var stored = live
        for _ in 0..<300 {
            second += Int64(random.next() % 5) + 1
            let (symbol, kind) = (Int(random.next() % 2), Int(random.next() % 2))
            let known = truth[symbol][kind]
            switch random.next() % 10 {
            case 0 where known.openFrom == nil:
                tape.gap(symbol, second, nil, .open, kinds[kind])
                truth[symbol][kind].openFrom = second
            case 1, 2:
                guard let from = known.openFrom else { continue }
                tape.gap(symbol, from, second, .open, kinds[kind])
                truth[symbol][kind].openFrom = nil
                truth[symbol][kind].missing.formUnion(from..<second)
            case 3, 4:
                guard let from = known.missing.min() else { continue }
                let to = from + Int64(random.next() % 8) + 1
                let state: GapState = random.next() % 3 == 0 ? .abandoned : .filled
                tape.gap(symbol, from, to, state, kinds[kind])
                // A gap that lasts begins after all that have ended, but the border of a filled
                // part may reach into it.
                if let open = known.openFrom, to > open { truth[symbol][kind].openFrom = to }
                truth[symbol][kind].missing.subtract(from..<to)
            case 5: tape.subscription(symbol, random.next() % 2 == 0 ? .start : .stop)
            case 6: tape.seal()
            case 7: live = tape.fold(live)
            case 8: stored = try PartitionLedger(json: live.json(time: LedgerTape.at(second)))
            default: live = tape.fold(stored)
            }
        }
        tape.seal()
        let recovered = tape.fold(stored)
        #expect(recovered == tape.fold(), "TAPELINE_SEED=\(seed)")
        for symbol in 0..<2 {
            for kind in 0..<2 {
                let parts = recovered.missing.filter {
                    $0.symbol == LedgerTape.symbols[symbol]
                        && $0.part.kind == kinds[kind].rawValue
                }.map(\.part)
                let found = parts.filter(\.hasEnded).flatMap {
                    ($0.from.nanoseconds / 1_000_000_000)..<($0.to.nanoseconds / 1_000_000_000)
                }
                #expect(
                    found.count == Set(found).count,
                    "TAPELINE_SEED=\(seed): a second is there twice")
                #expect(Set(found) == truth[symbol][kind].missing, "TAPELINE_SEED=\(seed)")
                let open = parts.first { !$0.hasEnded }.map { $0.from.nanoseconds / 1_000_000_000 }
                #expect(open == truth[symbol][kind].openFrom, "TAPELINE_SEED=\(seed)")
            }
        }
    }
}
