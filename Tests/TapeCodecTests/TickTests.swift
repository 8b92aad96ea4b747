import MarketModel
import Primitives
import TapeCodec
import Testing

/// All ticks of a packet that the cursor returns as bounds.
struct UnpackedTicks: Hashable {
    var depth: [DepthUpdate] = []
    var resets: [DepthReset] = []
    var bars: [ProviderBar] = []
    var options: [OptionComputation] = []
    var news: [NewsHeadline] = []
    var bulletins: [NewsBulletin] = []
    var documents: [FundamentalPart] = []
    var indicators: [IndicatorValue] = []
    var subscriptions: [SubscriptionRecord] = []
    var gaps: [GapRecord] = []
    var repairs: [RepairRequest] = []
    var changes: [TradeChange] = []
    var actions: [ActionRecord] = []
    var late: [LateTickRecord] = []
    var headers: [TickHeader] = []

    var count: Int { headers.count }

    init(_ bytes: [UInt8]) {
        bytes.withRawSpan { packet in
            var cursor = RecordCursor()
            while let record = cursor.next(in: packet) {
                if case .other(let message) = record { add(message, packet) }
            }
        }
    }

    private mutating func add(_ message: MessageBounds, _ packet: RawSpan) {
        depth += list(message.depthUpdate(in: packet))
        resets += list(message.depthReset(in: packet))
        bars += list(message.providerBar(in: packet))
        options += list(message.optionComputation(in: packet))
        news += list(message.newsHeadline(in: packet))
        bulletins += list(message.newsBulletin(in: packet))
        documents += list(message.fundamentalPart(in: packet))
        indicators += list(message.indicatorValue(in: packet))
        subscriptions += list(message.subscriptionRecord(in: packet))
        gaps += list(message.gapRecord(in: packet))
        repairs += list(message.repairRequest(in: packet))
        changes += list(message.tradeChange(in: packet))
        actions += list(message.actionRecord(in: packet))
        late += list(message.lateTick(in: packet))
        headers += list(message.tickHeader(in: packet))
    }

    private func list<Value>(_ value: Value?) -> [Value] { value.map { [$0] } ?? [] }
}

@Suite struct TickTests {
    private func unpacked(_ name: String) throws -> UnpackedTicks {
        let packet = try GoldenPacketTests.packet(name)
        let header = try packet.array.withRawSpan { try PacketReader.validate($0) }
        let ticks = UnpackedTicks(packet.array)
        #expect(ticks.count == Int(header.tickCount))
        return ticks
    }

    @Test("every kind of tick comes back as it went in")
    func roundTrip() throws {
        #expect(try unpacked("depth").depth == [TickSamples.depthUpdate()])
        #expect(try unpacked("depth").resets == [TickSamples.depthReset()])
        #expect(try unpacked("provider-bar").bars == [TickSamples.providerBar()])
        #expect(try unpacked("option").options == [TickSamples.optionComputation()])
        #expect(try unpacked("news").news == [TickSamples.newsHeadline()])
        #expect(try unpacked("bulletin").bulletins == [TickSamples.newsBulletin()])
        #expect(try unpacked("fundamental").documents == [TickSamples.fundamentalPart()])
        #expect(try unpacked("indicator").indicators == [TickSamples.indicatorValue()])
        #expect(
            try unpacked("subscription").subscriptions == [TickSamples.subscriptionRecord()])
        #expect(try unpacked("gap").gaps == [TickSamples.gapRecord()])
        #expect(try unpacked("repair").repairs == [TickSamples.repairRequest()])
        #expect(try unpacked("trade-change").changes == [TickSamples.tradeChange()])
        #expect(try unpacked("action").actions == [TickSamples.actionRecord()])
        #expect(
            try unpacked("late").late == [
                TickSamples.lateTrade(series: 1), TickSamples.lateQuote(series: 1),
            ])
    }

    @Test("a tick is read as its own kind only")
    func kinds() throws {
        let names = TickSamples.packets.map(\.name)
        for name in names {
            let ticks = try unpacked(name)
            let kinds = [
                ticks.depth.count, ticks.resets.count, ticks.bars.count, ticks.options.count,
                ticks.news.count, ticks.bulletins.count, ticks.documents.count,
                ticks.indicators.count, ticks.subscriptions.count, ticks.gaps.count,
                ticks.repairs.count, ticks.changes.count, ticks.actions.count, ticks.late.count,
            ]
            #expect(kinds.reduce(0, +) == ticks.count, "\(name)")
        }
    }

    @Test("a text that is too long is refused with its name and limits, and leaves no trace")
    func tooLong() throws {
        var builder = try TickSamples.builder()
        var news = TickSamples.newsHeadline()
        news.headline = String(repeating: "é", count: NewsHeadline.headlineBytesMax / 2)
        let fits = builder.append(news)
        #expect(fits == .appended)
        let before = builder.byteCount
        news.headline += "x"
        let outcome = builder.append(news)
        let problem = FieldTooLong(field: "headline", bytes: 2_049, bytesMax: 2_048)
        #expect(outcome == .refused(problem))
        #expect("\(problem)".contains("headline has 2049 bytes"))
        #expect(builder.byteCount == before && builder.tickCount == 1)
    }

    @Test("a text at each limit is taken, one byte more refused", arguments: 0..<22)
    func limits(field: Int) throws {
        for surplus in [0, 1] {
            var builder = try TickSamples.builder()
            let outcome = try append(field, surplus: surplus, to: &builder)
            guard surplus == 1 else {
                #expect(outcome == .appended)
                let packet = builder.seal(Samples.seal).array
                _ = try packet.withRawSpan { try PacketReader.validate($0) }
                #expect(UnpackedTicks(packet).count == 1)
                continue
            }
            guard case .refused(let problem) = outcome else {
                Issue.record("field \(field) was not refused")
                continue
            }
            #expect(problem.bytes == problem.bytesMax + 1)
        }
    }

    private func append(
        _ field: Int, surplus: Int, to builder: inout PacketBuilder
    ) throws -> AppendOutcome {
        func text(_ bytesMax: Int) -> String { String(repeating: "a", count: bytesMax + surplus) }
        var (news, bulletin) = (TickSamples.newsHeadline(), TickSamples.newsBulletin())
        var (part, indicator) = (TickSamples.fundamentalPart(), TickSamples.indicatorValue())
        var (subscription, gap) = (TickSamples.subscriptionRecord(), TickSamples.gapRecord())
        var (repair, change) = (TickSamples.repairRequest(), try TickSamples.tradeChange())
        var action = TickSamples.actionRecord()
        switch field {
        case 0: news.provider = text(NewsHeadline.providerBytesMax)
        case 1: news.article = text(NewsHeadline.articleBytesMax)
        case 2: news.headline = text(NewsHeadline.headlineBytesMax)
        case 3: news.extra = text(NewsHeadline.extraBytesMax)
        case 4: bulletin.text = text(NewsBulletin.textBytesMax)
        case 5: bulletin.exchange = text(NewsBulletin.exchangeBytesMax)
        case 6: part.report = text(FundamentalPart.reportBytesMax)
        case 7: part.content = Array(text(FundamentalPart.contentBytesMax).utf8)
        case 8: indicator.name = text(IndicatorValue.nameBytesMax)
        case 9: indicator.unit = text(IndicatorValue.unitBytesMax)
        case 10: subscription.provider = text(SubscriptionRecord.providerBytesMax)
        case 11: subscription.reason = text(SubscriptionRecord.reasonBytesMax)
        case 12: gap.detail = text(GapRecord.detailBytesMax)
        case 13: repair.requester = text(RepairRequest.requesterBytesMax)
        case 14: repair.note = text(RepairRequest.noteBytesMax)
        case 15: change.requester = text(TradeChange.requesterBytesMax)
        case 16: change.note = text(TradeChange.noteBytesMax)
        case 17: action.person = text(ActionRecord.personBytesMax)
        case 18: action.origin = text(ActionRecord.originBytesMax)
        case 19: action.command = text(ActionRecord.commandBytesMax)
        case 20: action.reason = text(ActionRecord.reasonBytesMax)
        default: action.outcome = text(ActionRecord.outcomeBytesMax)
        }
        return switch field {
        case 0...3: builder.append(news)
        case 4, 5: builder.append(bulletin)
        case 6, 7: builder.append(part)
        case 8, 9: builder.append(indicator)
        case 10, 11: builder.append(subscription)
        case 12: builder.append(gap)
        case 13, 14: builder.append(repair)
        case 15, 16: builder.append(change)
        default: builder.append(action)
        }
    }

    @Test("a text that a foreign writer made too long is not read, and does not trap")
    func foreignTooLong() throws {
        let long = String(repeating: "a", count: NewsHeadline.articleBytesMax)
        var builder = try TickSamples.builder()
        var news = TickSamples.newsHeadline()
        news.article = long
        let fits = builder.append(news)
        #expect(fits == .appended)
        var bytes = builder.seal(Samples.seal).array
        let place = try #require(bytes.firstRange(of: Array(long.utf8)))
        bytes.insert(0x61, at: place.upperBound)
        bytes.replaceLittleEndian(UInt32(long.utf8.count + 1), at: place.lowerBound - 4)
        #expect(UnpackedTicks(bytes).news.isEmpty)
        #expect(UnpackedTicks(bytes).count == 1)
    }

    @Test("a document is cut into parts that fit, and larger packets than the limit never arise")
    func document() throws {
        let size = FundamentalPart.contentBytesMax * 7 + 1
        let document = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let parts = try #require(
            FundamentalPart.parts(of: document, report: "R", header: TickSamples.header()))
        #expect(parts.count == 8)
        var builder = try TickSamples.builder()
        var read: [UInt8] = []
        for part in parts {
            var outcome = builder.append(part)
            if outcome == .full {
                read += try content(of: builder.seal(Samples.seal))
                outcome = builder.append(part)
            }
            #expect(outcome == .appended)
        }
        read += try content(of: builder.seal(Samples.seal))
        #expect(read == document)
    }

    private func content(of packet: SealedPacket) throws -> [UInt8] {
        #expect(packet.byteCount <= PacketLimits.bytesMax)
        _ = try packet.array.withRawSpan { try PacketReader.validate($0) }
        return UnpackedTicks(packet.array).documents.flatMap(\.content)
    }

    @Test("an empty document has one part, one above the limit none")
    func documentLimits() throws {
        let header = TickSamples.header()
        let empty = try #require(FundamentalPart.parts(of: [], report: "R", header: header))
        #expect(empty.count == 1 && empty[0].parts == 1 && empty[0].content.isEmpty)
        let large = [UInt8](repeating: 0, count: FundamentalPart.documentBytesMax + 1)
        #expect(FundamentalPart.parts(of: large, report: "R", header: header) == nil)
        let largest = Array(large.dropLast())
        #expect(FundamentalPart.parts(of: largest, report: "R", header: header) != nil)
    }

    @Test("a packet that is full says so for every kind, and takes the tick after sealing")
    func full() throws {
        var builder = try TickSamples.builder()
        while builder.append(try Samples.trade(symbol: TickSamples.apple)) {}
        let update = try TickSamples.depthUpdate()
        let option = try TickSamples.optionComputation()
        let late = try TickSamples.lateTrade(series: 0)
        var taken = [
            builder.append(update), builder.append(TickSamples.depthReset()),
            builder.append(TickSamples.providerBar()), builder.append(option),
            builder.append(late),
        ]
        #expect(!taken.contains(true))
        var outcome = builder.append(TickSamples.gapRecord())
        #expect(outcome == .full)
        _ = builder.seal(Samples.seal)
        taken = [builder.append(update), builder.append(option)]
        #expect(taken == [true, true])
        outcome = builder.append(TickSamples.gapRecord())
        #expect(outcome == .appended)
    }

    @Test("a packet with room for a book takes all of it")
    func bookRoom() throws {
        var builder = try TickSamples.builder()
        let update = try TickSamples.depthUpdate()
        var books = 0
        while builder.hasRoom(forBook: 41) {
            for _ in 0..<41 {
                let isIn = builder.append(update)
                #expect(isIn)
            }
            books += 1
        }
        #expect(books == PacketLimits.ticksMax / 41)
        let rest = PacketLimits.ticksMax - builder.tickCount
        #expect(builder.hasRoom(forBook: rest) && !builder.hasRoom(forBook: rest + 1))
        _ = builder.seal(Samples.seal)
        #expect(builder.hasRoom(forBook: 41))
    }

    @Test("the oldest time of records is that of their arrival, of a provider's bar its close")
    func oldest() throws {
        var builder = try TickSamples.builder()
        let outcome = builder.append(TickSamples.newsHeadline())
        #expect(outcome == .appended)
        #expect(builder.oldestEventTime == TickSamples.header().receiveTime)
        _ = builder.seal(Samples.seal)
        let isIn = builder.append(TickSamples.providerBar())
        #expect(isIn)
        #expect(builder.oldestEventTime == TickSamples.later)
    }

    @Test("a gap counts as of its beginning: no watermark may pass that until it stands")
    func oldestOfGap() throws {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try Samples.source("synthetic"))
        var gap = TickSamples.gapRecord()
        gap.header.symbol = TickHeader.noSymbol
        gap.from = gap.header.receiveTime.advanced(byNanoseconds: -7)
        var outcome = builder.append(gap)
        #expect(outcome == .appended)
        #expect(builder.oldestEventTime == gap.from)
        gap.from = .undefined
        gap.header.receiveTime = Timestamp(nanoseconds: 5)
        outcome = builder.append(gap)
        #expect(outcome == .appended)
        #expect(builder.oldestEventTime == Timestamp(nanoseconds: 5))
    }

    @Test("an unknown tick's header can be read, a definition has none")
    func unknownHeader() throws {
        var bytes = try Samples.watermarkPacket().array
        bytes.appendMessage(template: 0x80ff, block: 40, variable: [])
        bytes.appendMessage(template: 0x80fe, block: 31, variable: [])
        bytes.appendMessage(template: 0x00fd, block: 40, variable: [])
        #expect(UnpackedTicks(bytes).headers.map(\.symbol) == [0xeeee_eeee])
    }
}
