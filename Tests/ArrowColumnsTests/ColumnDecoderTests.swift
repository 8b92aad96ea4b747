import ArrowColumns
import MarketModel
import Primitives
import TapeCodec
import Testing

@Suite("Columns of packets")
struct ColumnDecoderTests {
    private let feed = SourceName("feed") ?? .manual

    private func feedAll(
        _ packets: [[UInt8]], _ decoder: inout ColumnDecoder, knownAt: Timestamp = .undefined
    ) throws {
        for (number, bytes) in packets.enumerated() {
            let origin = PacketOrigin(sequence: UInt64(number) + 1, knownAt: knownAt)
            try bytes.withRawSpan { try decoder.feed($0, origin) }
        }
    }

    /// Returns the trades that wait.
    private func taken(_ decoder: inout ColumnDecoder) throws -> ColumnBatch {
        let batch = decoder.batch(of: .trades)
        return try #require(batch)
    }

    private func failure(_ bytes: [UInt8], _ decoder: inout ColumnDecoder) -> DecodeError? {
        do throws(DecodeError) {
            try bytes.withRawSpan { span throws(DecodeError) in
                try decoder.feed(span, PacketOrigin(sequence: 77))
            }
            return nil
        } catch {
            return error
        }
    }

    @Test("every value of every record is in its column", arguments: [PacketKind.ticks, .bars])
    func values(kind: PacketKind) throws {
        let source = kind == .bars ? SourceName.operator : feed
        let knownAt = Timestamp(nanoseconds: 5_000)
        for seed in 1...20 {
            var tape = RandomTape(seed: UInt64(seed), kind: kind, source: source)
            let packets = (0..<10).map { _ in tape.packet() }
            var expected = ExpectedRows()
            for packet in packets { try expected.take(packet, knownAt: knownAt) }
            var decoder = ColumnDecoder(Set(ColumnKind.allCases))
            try feedAll(packets, &decoder, knownAt: knownAt)
            for kind in ColumnKind.allCases {
                let rows = decoder.batch(of: kind)?.readRows ?? []
                #expect(rows == expected.rows[kind] ?? [], "seed \(seed), \(kind)")
                let rest = decoder.batch(of: kind)
                #expect(rest == nil)
            }
        }
    }

    @Test("a batch is bounded, and what does not fit is refused whole and taken later")
    func bounded() throws {
        var tape = RandomTape(seed: 1, source: feed)
        var decoder = ColumnDecoder([.trades])
        var ordinals: [String] = []
        for _ in 0..<200 {
            let packet = tape.packet(trades: 700)
            if let error = failure(packet, &decoder) {
                #expect(error.reason == .full)
                let batch = try taken(&decoder)
                #expect(batch.rows <= BatchLimits.rowsMax && batch.rows > BatchLimits.rowsMax - 700)
                ordinals += batch.readRows.compactMap { $0["ordinal"] }
                #expect(failure(packet, &decoder) == nil)
            }
        }
        ordinals += decoder.batch(of: .trades)?.readRows.compactMap { $0["ordinal"] } ?? []
        #expect(ordinals == (1...140_000).map { "\($0)" })
        #expect(decoder.rowsTaken(of: .trades) == 140_000)
    }

    @Test("a hole names source, partition and ordinals, again and again, until it is allowed")
    func hole() throws {
        var tape = RandomTape(seed: 2, source: feed)
        var decoder = ColumnDecoder([.trades])
        try feedAll([tape.packet(trades: 4)], &decoder)
        tape.skip(10)
        let next = tape.packet(trades: 2)
        for _ in 0..<2 {
            let error = try #require(failure(next, &decoder))
            #expect(error.reason == .hole && error.from == 5 && error.to == 14)
            #expect(error.source == feed && error.partition == Partition(3) && error.sequence == 77)
            #expect(decoder.rows(of: .trades) == 4)
        }
        try decoder.expect(15, of: LaneKey(.ticks, feed, Partition(3)))
        #expect(failure(next, &decoder) == nil)
        #expect(decoder.rows(of: .trades) == 6)
    }

    @Test("marked holes are in the provenance")
    func markedHole() throws {
        var tape = RandomTape(seed: 2, source: feed)
        var decoder = ColumnDecoder([.quotes], RowSelection(marksHoles: true))
        let first = tape.packet(trades: 4)
        tape.skip(10)
        try feedAll([first, tape.packet(trades: 2)], &decoder)
        let lane = try #require(decoder.lanes.first)
        #expect(lane.missing == 10 && lane.holes == [5...14])
        #expect(lane.first == 1 && lane.last == 16 && lane.packets == 2)
        #expect(lane.epochs == 7...7 && lane.sequences == (1, 2))
        let json = decoder.provenance(isComplete: true, interface: 1)
        #expect(json.contains(#""missing":10,"holes":[[5,14]]"#) && json.contains(#""quotes":0"#))
    }

    @Test("the same packets have the same checksum, and others have another one")
    func checksum() throws {
        func checksum(seed: UInt64) throws -> UInt64 {
            var tape = RandomTape(seed: seed, source: feed)
            var decoder = ColumnDecoder([.trades])
            try feedAll((0..<5).map { _ in tape.packet() }, &decoder)
            return try #require(decoder.lanes.first).checksum
        }
        #expect(try checksum(seed: 5) == checksum(seed: 5))
        #expect(try checksum(seed: 5) != checksum(seed: 6))
    }

    @Test("a packet that comes twice is refused, and the one from which a caller goes on is cut")
    func order() throws {
        var tape = RandomTape(seed: 3, source: feed)
        let (first, second) = (tape.packet(trades: 4), tape.packet(trades: 4))
        var decoder = ColumnDecoder([.trades])
        try decoder.expect(7, of: LaneKey(.ticks, feed, Partition(3)))
        try feedAll([first, second], &decoder)
        let rows = try taken(&decoder).readRows
        #expect(rows.compactMap { $0["ordinal"] } == ["7", "8"])
        #expect(decoder.lanes.first?.first == 7 && decoder.lanes.first?.last == 8)
        let error = try #require(failure(second, &decoder))
        #expect(error.reason == .order && error.from == 9 && error.to == 5)
    }

    @Test("a selection is one of symbols, times, sources and partitions")
    func selection() throws {
        var tape = RandomTape(seed: 4, source: feed)
        let packets = (0..<20).map { _ in tape.packet() }
        var expected = ExpectedRows()
        for packet in packets { try expected.take(packet) }
        let all = expected.rows[.trades] ?? []
        func rows(_ selection: RowSelection, of kind: ColumnKind = .trades) throws -> [Row] {
            var decoder = ColumnDecoder([kind], selection)
            try feedAll(packets, &decoder)
            return decoder.batch(of: kind)?.readRows ?? []
        }
        let apple = try #require(Symbol("AAPL"))
        let (from, to) = (1_700_000_000_000_300_000, 1_700_000_000_000_700_000)
        let ofApple = try rows(RowSelection(symbols: [apple]))
        #expect(ofApple == all.filter { $0["symbol"] == "AAPL" } && !ofApple.isEmpty)
        for kind in [ColumnKind.trades, .quotes] {
            let all = expected.rows[kind] ?? []
            let inTime = try rows(RowSelection(from: Int64(from), to: Int64(to)), of: kind)
            #expect(
                inTime
                    == all.filter {
                        $0["event_time"].flatMap { Int($0) }.map { $0 >= from && $0 < to } == true
                    })
            #expect(!inTime.isEmpty && inTime.count < all.count)
        }
        #expect(try rows(RowSelection(sources: [feed])) == all)
        #expect(try rows(RowSelection(sources: [.manual])).isEmpty)
        var elsewhere = RowSelection(symbols: [apple])
        elsewhere.narrow(toPartitionsOf: 16)
        #expect(elsewhere.partitions == [Partition(of: apple, count: 16)])
        elsewhere.partitions = [Partition(4)]
        #expect(try rows(elsewhere).isEmpty)
    }

    @Test("batches have the columns that are wanted, in their order and form")
    func shape() throws {
        var tape = RandomTape(seed: 4, source: feed)
        let packets = (0..<20).map { _ in tape.packet() }
        var all = ExpectedRows()
        for packet in packets { try all.take(packet) }
        let names = ["price", "symbol", "ordinal", "action", "size"]
        let plain = try ColumnShape(of: .trades, names: names, [], zone: "UTC")
        let forms = try ColumnShape(
            of: .trades, names: names, [.floats, .numbers], zone: "Asia/Tokyo")
        let (found, texts, actions) = try rows(packets, plain)
        #expect(
            found == (all.rows[.trades] ?? []).map { $0.filter { names.contains($0.key) } })
        #expect(plain.columns.map(\.name) == names && !found.isEmpty)
        let formed = try rows(packets, forms).rows
        #expect(formed.count == found.count)
        for (row, other) in zip(found, formed) {
            for (name, texts) in [("symbol", texts), ("action", actions)] {
                #expect(other[name].flatMap { Int($0) }.map { texts[$0] } == row[name])
            }
            for (name, power) in [("price", 1e9), ("size", 1e8)] {
                #expect(
                    other[name] == row[name].flatMap { Int64($0) }.map { "\(Double($0) / power)" })
            }
            #expect(other["ordinal"] == row["ordinal"])
        }
        #expect(forms.columns.map { $0.format(zone: forms.zone) } == ["g", "I", "l", "I", "g"])
        let time = try ColumnShape(of: .bars, names: ["open_time"], [], zone: "Asia/Tokyo")
        #expect(time.columns.map { $0.format(zone: time.zone) } == ["tsn:Asia/Tokyo"])
        for names in [["open"], ["price", "price"], [""]] {
            let error = #expect(throws: DecodeError.self) {
                try ColumnShape(of: .trades, names: names, [], zone: "UTC")
            }
            #expect(error?.reason == .invalid)
        }
    }

    /// Returns the rows of packets as trades of a shape, and the texts of symbols and of actions.
    private func rows(
        _ packets: [[UInt8]], _ shape: ColumnShape
    ) throws -> (rows: [Row], symbols: [String], actions: [String]) {
        var decoder = ColumnDecoder([.trades], shape: shape)
        try feedAll(packets, &decoder)
        let rows = try taken(&decoder).readRows
        return (rows, decoder.page(.symbols).texts, decoder.page(.actions).texts)
    }

    @Test("the sources of bars are those of their ticks")
    func sourcesOfBars() throws {
        var tape = RandomTape(seed: 4, kind: .bars, source: .operator)
        let packets = (0..<20).map { _ in tape.packet() }
        var decoder = ColumnDecoder(
            [.bars], RowSelection(sources: [try #require(SourceName("feed-1"))]))
        try feedAll(packets, &decoder)
        let rows = decoder.batch(of: .bars)?.readRows ?? []
        #expect(Set(rows.map { $0["symbol"] }).subtracting([nil]) == ["BRK.B"])
    }

    @Test("values are of the source of their ticks, or else of the one that computed them")
    func sourcesOfValues() throws {
        var tape = RandomTape(seed: 4, kind: .bars, source: .universe)
        let packets = (0..<20).map { _ in tape.packet() }
        func symbols(of source: SourceName, _ symbols: Set<Symbol> = []) throws -> Set<String?> {
            let selection = RowSelection(symbols: symbols, sources: [source])
            var decoder = ColumnDecoder([.indicators], selection)
            try feedAll(packets, &decoder)
            return Set((decoder.batch(of: .indicators)?.readRows ?? []).map { $0["symbol"] })
        }
        let first = try #require(SourceName("feed-1"))
        #expect(try symbols(of: first) == ["BRK.B"])
        #expect(try symbols(of: .universe) == [nil])
        #expect(try symbols(of: .universe, [try #require(Symbol("BRK.B"))]).isEmpty)
    }

    @Test("a text keeps its index in all batches")
    func dictionary() throws {
        var tape = RandomTape(seed: 6, source: feed)
        var decoder = ColumnDecoder([.trades])
        var before: [String] = []
        let symbol = try #require(ColumnKind.trades.columns.firstIndex { $0.name == "symbol" })
        for _ in 0..<30 {
            try feedAll([tape.packet(trades: 3)], &decoder)
            let batch = try taken(&decoder)
            let texts = try #require(batch.texts(of: symbol)).texts
            #expect(texts.starts(with: before))
            before = texts.isEmpty || texts == [""] ? before : texts
        }
        #expect(Set(before) == Set(RandomTape.symbols))
    }

    @Test("a batch stays as it is while the decoder goes on, and memory of one is used again")
    func memory() throws {
        var tape = RandomTape(seed: 5, source: feed)
        var decoder = ColumnDecoder([.trades])
        func feedBatch() throws {
            try feedAll((0..<30).map { _ in tape.packet(trades: 700) }, &decoder)
        }
        try feedBatch()
        let held = try taken(&decoder)
        let rows = held.readRows
        try feedBatch()
        let place = unsafe decoder.batch(of: .trades)?.values(of: 0)
        try feedBatch()
        let next = try taken(&decoder)
        #expect(held.readRows == rows && rows.first?["ordinal"] == "1")
        #expect(next.readRows.first?["ordinal"] == "42001")
        let isUsedAgain = unsafe next.values(of: 0) == place
        let isApart = unsafe held.values(of: 0) != place
        #expect(isUsedAgain && isApart)
    }

    @Test("what a packet does not define, and sums beyond a decimal, are damage with a place")
    func damage() throws {
        let origin = PacketOrigin(sequence: 9, place: 1_000)
        var builder = PacketBuilder(kind: .bars, partition: Partition(0), source: .operator)
        let series = builder.register(
            SeriesDefinition(name: try #require(SeriesName("1m")), widthNanoseconds: 60))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "", since: .undefined, source: feed))
        var bar = Bar(symbol: symbol, series: series, openTime: .undefined, closeTime: .undefined)
        bar.volume = 100_000_000_000_000_000_000_000_000_000_000_000_000
        let isIn = builder.append(bar)
        #expect(isIn)
        var bytes = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined)
        ).withBytes { $0.array }
        let start = bytes.count - WireFormat.Block.bar
        for (place, value) in [(-1, UInt8(0)), (start, 9), (start + 4, 9)] {
            if place >= 0 { bytes[place] = value }
            bytes.repair()
            var decoder = ColumnDecoder([.bars])
            let error = #expect(throws: DecodeError.self) {
                try bytes.withRawSpan { try decoder.feed($0, origin) }
            }
            #expect(error?.reason == .damaged && error?.offset == 1_000 + start - 8)
            #expect(error?.source == .operator && error?.sequence == 9)
            #expect(decoder.lanes.isEmpty)
        }
    }

    /// Returns a packet of a trade and a quote of a symbol, which has the index 0.
    private func packet(of symbol: String, at ordinal: UInt64) throws -> [UInt8] {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(3), source: feed)
        let time = Timestamp(nanoseconds: 1)
        let header = TickHeader(
            symbol: builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(symbol)), provider: "", since: .undefined)),
            resolution: 1, providerTime: time, receiveTime: time)
        let areIn = [
            builder.append(Trade(header: header, price: .undefined, size: .undefined)),
            builder.append(
                Quote(
                    header: header, bidPrice: .undefined, bidSize: .undefined,
                    askPrice: .undefined, askSize: .undefined)),
        ]
        #expect(areIn == [true, true] && header.symbol == 0)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinal, watermark: .undefined, sendTime: .undefined)
        ).withBytes { $0.array }
    }

    @Test("a tick has the symbol that its index means where the tick is", arguments: [false, true])
    func definedAgain(isKnown: Bool) throws {
        // Both packets define the index 0. Together they define it twice.
        var both = try packet(of: "A", at: 5)
        both += try packet(of: "B", at: 7)[WireFormat.HeaderOffset.end...]
        both[WireFormat.HeaderOffset.tickCount] = 4
        both.repair()
        var decoder = ColumnDecoder([.trades, .quotes])
        if isKnown {
            try feedAll([packet(of: "A", at: 1), packet(of: "B", at: 3)], &decoder)
            for kind in decoder.kinds { _ = decoder.batch(of: kind) }
        }
        try feedAll([both], &decoder)
        for kind in decoder.kinds {
            let rows = decoder.batch(of: kind)?.readRows ?? []
            #expect(rows.map { $0["symbol"] } == ["A", "B"], "\(kind)")
        }
    }

    @Test("a packet that is not that of its subject is refused")
    func subject() throws {
        var tape = RandomTape(seed: 1, source: feed)
        let packet = tape.packet()
        var decoder = ColumnDecoder([.trades])
        for subject in [
            "md.ticks.4.feed", "md.ticks.3.other", "md.ticks.3.fee", "md.ticks.3.feed-2",
            "md.ticks.3.feed.", "md.ticks.03.feed", "md.ticks.33.feed", "md.ticks.feed.3",
            "md.ticks3.feed", "md.tick.3.feed", "md.wm.3.feed", "md.bars.3", "md.ticks.3",
            "md.ticks.3.", "ticks.3.feed", "md", "", "x",
        ] {
            let error = #expect(throws: DecodeError.self) {
                try feed(packet, subject: subject, &decoder)
            }
            #expect(error?.reason == .damaged)
        }
        try feed(packet, subject: "md.ticks.3.feed", &decoder)
        #expect(decoder.lanes.count == 1)
        let long = try #require(SourceName("a-name-of-24-characters-"))
        var other = RandomTape(seed: 1, partition: 4_095, source: long)
        try feed(other.packet(), subject: "x.ticks.4095.\(long)", &decoder)
        var bars = RandomTape(seed: 1, kind: .bars, partition: 0, source: .operator)
        let barPacket = bars.packet()
        for subject in ["md.bars.0.operator", "md.bars.", "md.bars.00"] {
            #expect(throws: DecodeError.self) {
                try feed(barPacket, subject: subject, &decoder)
            }
        }
        try feed(barPacket, subject: "md.bars.0", &decoder)
        var values = RandomTape(seed: 1, kind: .bars, partition: 0, source: .universe)
        let valuePacket = values.packet()
        for subject in ["md.bars.0", "md.all.universe.0", "md.all.univers"] {
            #expect(throws: DecodeError.self) {
                try feed(valuePacket, subject: subject, &decoder)
            }
        }
        try feed(valuePacket, subject: "md.all.universe", &decoder)
        #expect(decoder.lanes.count == 4)
    }

    private func feed(
        _ packet: [UInt8], subject: String, _ decoder: inout ColumnDecoder
    ) throws {
        try Array(subject.utf8).withRawSpan { subject in
            try packet.withRawSpan { try decoder.feed($0, PacketOrigin(), subject: subject) }
        }
    }

    @Test("a message that is damaged is reported before all else, and leaves no row")
    func damagedMessage() throws {
        var tape = RandomTape(seed: 2, source: feed)
        let (first, middle) = (tape.packet(trades: 4), tape.packet(trades: 4))
        let next = tape.packet(trades: 4)
        var decoder = ColumnDecoder([.trades])
        try feedAll([first], &decoder)
        // The last message is cut, or the header states another number of ticks. Both packets also
        // lack the one before them, and are not on their subject.
        var (cut, miscounted, fewer) = (next, next, middle)
        cut.removeLast(3)
        miscounted[WireFormat.HeaderOffset.tickCount] = 3
        fewer[WireFormat.HeaderOffset.tickCount] = 5
        cut.repair()
        miscounted.repair()
        fewer.repair()
        for bytes in [cut, miscounted, fewer] {
            #expect(failure(bytes, &decoder)?.reason == .damaged)
            let error = #expect(throws: DecodeError.self) {
                try feed(bytes, subject: "md.ticks.3.other", &decoder)
            }
            #expect(error?.description.contains("this is no packet of the tape") == true)
            #expect(decoder.rows(of: .trades) == 4 && decoder.lanes.first?.packets == 1)
        }
        #expect(failure(next, &decoder)?.reason == .hole)
        try feedAll([middle, next], &decoder)
        #expect(decoder.rows(of: .trades) == 12)
    }

    @Test("mutated packets trap nowhere, and what is refused leaves no row")
    func fuzz() throws {
        var random = SeededRandom(seed: 8)
        var decoder = ColumnDecoder(Set(ColumnKind.allCases), RowSelection(marksHoles: true))
        var outcomes: [DecodeError.Reason?: Int] = [:]
        for round in 0..<4_000 {
            var tape = RandomTape(
                seed: UInt64(round % 50), kind: round % 2 == 0 ? .ticks : .bars,
                partition: Int.random(in: 0..<4_000, using: &random), source: feed)
            var bytes = tape.packet()
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let place = Int.random(in: 16..<bytes.count, using: &random)
                bytes[place] =
                    [0, 0xff, 0x7f, 0x80, .random(in: 0...255, using: &random)][
                        Int.random(in: 0..<5, using: &random)]
            }
            if round % 8 == 0 { bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random)) }
            if round % 5 != 0, bytes.count >= WireFormat.HeaderOffset.end { bytes.repair() }
            let before = ColumnKind.allCases.map { decoder.rows(of: $0) }
            let reason = failure(bytes, &decoder)?.reason
            outcomes[reason, default: 0] += 1
            if reason != nil {
                #expect(before == ColumnKind.allCases.map { decoder.rows(of: $0) })
            }
            if reason == .full || round % 1_000 == 0 {
                for kind in ColumnKind.allCases { _ = decoder.batch(of: kind)?.readRows }
            }
        }
        #expect(outcomes[nil, default: 0] > 200 && outcomes[.damaged, default: 0] > 200)
    }
}

extension [UInt8] {
    /// Corrects length and checksum.
    mutating func repair() {
        func put(_ value: UInt64, _ bytes: Int, at offset: Int) {
            for index in 0..<bytes {
                self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
            }
        }
        put(UInt64(count), 4, at: WireFormat.HeaderOffset.byteCount)
        let checksum = withRawSpan {
            Checksum.of($0.extracting(WireFormat.HeaderOffset.checkedBytes..<$0.byteCount))
        }
        put(checksum, 8, at: WireFormat.HeaderOffset.checksum)
    }
}
