import MarketModel
import Primitives
import TapeCodec
import Testing

/// Random records of all kinds, from a seed.
struct RecordScript {
    static let symbols = 3
    static let series: UInt16 = 2
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private mutating func word() -> UInt64 { random.next() }
    private mutating func time() -> Timestamp { Timestamp(nanoseconds: Int64(word() >> 2)) }
    private mutating func price() -> Price { Price(raw: Int64(bitPattern: word())) }
    private mutating func size() -> Quantity { Quantity(raw: Int64(bitPattern: word())) }
    private mutating func short() -> ShortText { ShortText("X\(word() % 1_000_000)") ?? .empty }
    private mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: word()) }
    private mutating func wide() -> Int128 { Int128(Int64(bitPattern: word())) * 1_000_003 }

    private mutating func text(_ bytesMax: Int) -> String {
        String(repeating: "é", count: Int(word() % UInt64(bytesMax / 2 + 1)))
    }

    private mutating func header(mayBeGeneral: Bool = false) -> TickHeader {
        let symbol = UInt32(word() % UInt64(Self.symbols + (mayBeGeneral ? 1 : 0)))
        return TickHeader(
            symbol: symbol == Self.symbols ? TickHeader.noSymbol : symbol,
            flags: TickFlags(rawValue: UInt16(truncatingIfNeeded: word())), action: byte(),
            resolution: byte(), providerTime: time(), receiveTime: time(), providerID: word())
    }

    private mutating func trade() -> Trade {
        Trade(
            header: header(), price: price(), size: size(), exchange: short(),
            conditions: short())
    }

    private mutating func quote() -> Quote {
        Quote(
            header: header(), bidPrice: price(), bidSize: size(), askPrice: price(),
            askSize: size(), bidExchange: short(), askExchange: short())
    }

    /// Returns one record of each kind, in the order of the cases.
    mutating func all() throws -> [TapeRecord] {
        [.trade(trade()), .quote(quote())] + (try ticks()) + documents() + (try feeds())
            + (try derived())
    }

    private mutating func ticks() throws -> [TapeRecord] {
        var depth = try TickSamples.depthUpdate()
        (depth.header, depth.price, depth.size) = (header(), price(), size())
        (depth.side, depth.operation) = (byte(), byte())
        var reset = DepthReset(header: header(), reason: .unknown)
        reset.reason = byte()
        var bar = ProviderBar(
            header: header(), openTime: time(), closeTime: time(), kind: .unknown)
        (bar.open, bar.close, bar.vwap, bar.volume) = (price(), price(), price(), wide())
        (bar.trades, bar.kind) = (Int64(bitPattern: word()), byte())
        var option = OptionComputation(header: header(), kind: .unknown)
        (option.delta, option.dividends) = (Ratio(raw: Int64(bitPattern: word())), price())
        (option.kind, option.basis) = (byte(), byte())
        return [.depth(depth), .depthReset(reset), .providerBar(bar), .option(option)]
    }

    private mutating func documents() -> [TapeRecord] {
        let value = IndicatorValue(
            header: header(mayBeGeneral: true), name: text(IndicatorValue.nameBytesMax),
            unit: text(IndicatorValue.unitBytesMax), value: wide(), periodStart: time(),
            periodEnd: time(), revision: word())
        let news = NewsHeadline(
            header: header(mayBeGeneral: true), provider: text(NewsHeadline.providerBytesMax),
            article: text(NewsHeadline.articleBytesMax),
            headline: text(NewsHeadline.headlineBytesMax),
            extra: text(NewsHeadline.extraBytesMax))
        var bulletin = NewsBulletin(
            header: header(mayBeGeneral: true), kind: .unknown,
            text: text(NewsBulletin.textBytesMax),
            exchange: text(NewsBulletin.exchangeBytesMax))
        bulletin.kind = byte()
        let content = (0..<Int(word() % 500)).map { _ in byte() }
        let part = FundamentalPart(
            header: header(mayBeGeneral: true), report: text(FundamentalPart.reportBytesMax),
            part: 1, parts: 3, documentBytes: word() % 1_000_000, content: content)
        return [.indicator(value), .news(news), .bulletin(bulletin), .fundamental(part)]
    }

    private mutating func feeds() throws -> [TapeRecord] {
        var subscription = SubscriptionRecord(
            header: header(), action: .start, kind: .any, mode: .unknown,
            provider: text(SubscriptionRecord.providerBytesMax),
            previousProvider: text(SubscriptionRecord.providerBytesMax),
            reason: text(SubscriptionRecord.reasonBytesMax))
        (subscription.action, subscription.kind, subscription.mode) = (byte(), byte(), byte())
        var gap = GapRecord(
            header: header(mayBeGeneral: true), from: time(), to: time(), kind: .any,
            reason: .unknown, state: .open, firstOrdinal: word(), lastOrdinal: word(),
            detail: text(GapRecord.detailBytesMax))
        (gap.kind, gap.reason, gap.state) = (byte(), byte(), byte())
        var repair = RepairRequest(
            header: header(), from: time(), to: time(), reason: .repair,
            requester: text(RepairRequest.requesterBytesMax),
            note: text(RepairRequest.noteBytesMax))
        repair.reason = byte()
        var change = TradeChange(
            header: header(), source: try Samples.source("changed"), ordinal: word(),
            change: .restore, values: (Price(raw: time().nanoseconds), Quantity(raw: 7)))
        change.change = byte()
        change.requester = text(TradeChange.requesterBytesMax)
        change.note = text(TradeChange.noteBytesMax)
        var action = ActionRecord(
            header: header(mayBeGeneral: true), number: word(), stage: .asked,
            person: text(ActionRecord.personBytesMax), origin: text(ActionRecord.originBytesMax),
            command: text(ActionRecord.commandBytesMax), reason: text(ActionRecord.reasonBytesMax),
            outcome: text(ActionRecord.outcomeBytesMax))
        action.stage = byte()
        return [
            .subscription(subscription), .gap(gap), .repair(repair), .tradeChange(change),
            .action(action),
        ]
    }

    private mutating func derived() throws -> [TapeRecord] {
        var bar = try Samples.bar(
            symbol: UInt32(word() % UInt64(Self.symbols)),
            series: UInt16(word() % UInt64(Self.series)))
        (bar.openTime, bar.number, bar.volume) = (time(), Int64(bitPattern: word()), wide())
        let late = LateTickRecord(
            trade(), source: try Samples.source("late"), ordinal: word(),
            series: UInt16(word() % UInt64(Self.series)), openTime: time(), closeTime: time(),
            reason: .duplicate)
        return [.bar(bar), .lateTick(late)]
    }
}

@Suite struct TapeRecordTests {
    static func builder() throws -> PacketBuilder {
        var builder = PacketBuilder(
            kind: .bars, partition: Partition(0), source: try Samples.source("a"))
        for number in 0..<RecordScript.symbols {
            _ = builder.register(try Samples.definition("S\(number)"))
        }
        for number in 1...RecordScript.series {
            _ = builder.register(
                SeriesDefinition(
                    name: try #require(SeriesName("\(number)m")), widthNanoseconds: 1))
        }
        return builder
    }

    /// Returns the records of a packet, with the numbers that the builder gave symbols and series.
    private func records(_ packet: SealedPacket) throws -> [TapeRecord?] {
        let unpacked = Unpacked(packet.array)
        func symbol(_ index: UInt32) -> UInt32 {
            unpacked.symbols[index].flatMap { UInt32($0.symbol.text.dropFirst()) }
                ?? TickHeader.noSymbol
        }
        func series(_ index: UInt16) -> UInt16 {
            unpacked.series[UInt32(index)].flatMap { UInt16($0.name.text.dropLast()) } ?? 0
        }
        return packet.array.withRawSpan { bytes in
            var found: [TapeRecord?] = []
            var cursor = RecordCursor()
            while let record = cursor.next(in: bytes) {
                switch record {
                case .trade(let trade): found.append(.trade(trade))
                case .quote(let quote): found.append(.quote(quote))
                case .bar(var bar):
                    (bar.symbol, bar.series) = (symbol(bar.symbol), series(bar.series) &- 1)
                    found.append(.bar(bar))
                case .other(let message):
                    guard WireFormat.Template.isTick(message.template) else { continue }
                    let record = TapeRecord(message, in: bytes)
                    guard case .lateTick(var late) = record else {
                        found.append(record)
                        continue
                    }
                    late.series = series(late.series) &- 1
                    found.append(.lateTick(late))
                case .malformed: Issue.record("the packet is whole")
                }
            }
            return found.map { $0?.changed { $0.symbol = symbol($0.symbol) } }
        }
    }

    @Test(
        "every kind of record comes back as it went in", arguments: 1...100 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var script = RecordScript(seed: seed)
        var builder = try Self.builder()
        var appended: [TapeRecord] = []
        #expect(try script.all().count == RecordKind.allCases.count)
        for _ in 0..<5 {
            for record in try script.all() {
                let outcome = builder.append(record)
                #expect(outcome == .appended)
                appended.append(record)
            }
        }
        let packet = builder.seal(Samples.seal)
        _ = try packet.array.withRawSpan { try PacketReader.validate($0) }
        #expect(try records(packet) == appended)
    }

    @Test("a full packet says so for every kind")
    func full() throws {
        var script = RecordScript(seed: 1)
        var builder = try Self.builder()
        while builder.append(try Samples.trade(symbol: 0)) {}
        for record in try script.all() {
            let outcome = builder.append(record)
            #expect(outcome == .full)
        }
    }

    @Test("a text that is too long is refused as by itself")
    func tooLong() throws {
        var gap = TickSamples.gapRecord()
        gap.detail = String(repeating: "x", count: GapRecord.detailBytesMax + 1)
        var builder = try Self.builder()
        let (one, other) = (builder.append(.gap(gap)), builder.append(gap))
        #expect(one == other && builder.tickCount == 0)
    }

    @Test("what all kinds have is answered, and changed, in place")
    func common() throws {
        var script = RecordScript(seed: 3)
        for record in try script.all() {
            let changed = record.changed {
                $0.symbol = 77
                $0.providerTime = Timestamp(nanoseconds: 5)
            }
            if case .bar(let bar) = record {
                #expect(record.header == nil && changed == record)
                #expect(record.eventTime == bar.openTime)
            } else {
                #expect(changed.header?.symbol == 77 && changed != record)
                #expect(changed.eventTime == Timestamp(nanoseconds: 5))
                let header = try #require(record.header)
                #expect(changed.changed { $0 = header } == record)
            }
        }
        #expect(
            try script.all().map(\.kind) == [
                .trade, .quote, .depth, .depth, .providerBar, .optionComputation, .indicator,
                .news, .news, .fundamental, nil, nil, nil, nil, nil, nil, nil,
            ])
    }
}
