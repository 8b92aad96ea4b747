internal import MarketModel
internal import Primitives

extension NumberMachine {
    static let envelope = StateEnvelope("TLNM", version: 1)

    /// Restores the machine whose `encode` wrote these bytes, for the same rule, calendar and
    /// tables.
    public init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        self.init(
            intake: try TickIntake(rule: rule, &reader, bytes, tables), calendar: calendar,
            sources: tables.sources.entries.count, symbols: tables.symbols.count)
        unwithdrawn = try reader.tally(in: bytes)
        for symbol in sessions.indices { try restore(symbol, &reader, bytes, tables) }
        try reader.finish()
    }

    public func encode(_ tables: PartitionTables, into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        intake.encode(into: &bytes)
        bytes.append(integer: unwithdrawn)
        for symbol in sessions.indices {
            encode(sessions[symbol], into: &bytes)
            var queue = queues[symbol]
            queue.sort(tables.sources)
            bytes.append(integer: UInt32(queue.count))
            for tick in queue.ticks { tick.encode(into: &bytes) }
        }
        Self.envelope.seal(&bytes, from: start)
    }

    private func encode(_ session: NumberSession, into bytes: inout [UInt8]) {
        bytes.append(integer: session.open)
        bytes.append(integer: session.close)
        bytes.append(session.isFinished ? 1 : 0)
        for window in session.windows {
            window.sums.encode(into: &bytes)
            bytes.append(integer: window.number)
            bytes.append(window.hasForgotten ? 1 : 0)
            bytes.append(integer: UInt32(window.published.count))
            for bar in window.published { bar.encode(into: &bytes) }
        }
    }

    private mutating func restore(
        _ symbol: Int, _ reader: inout StateReader, _ bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        let open = try reader.int64(in: bytes)
        let close = try reader.int64(in: bytes)
        let finished = try reader.flag(of: .window, in: bytes)
        guard isPossible(open, close, isFinished: finished) else {
            throw reader.malformed(.window)
        }
        sessions[symbol].open = open
        sessions[symbol].close = close
        sessions[symbol].isFinished = finished
        for series in 0..<seriesCount {
            try restore(symbol, series, &reader, bytes, tables)
        }
        var queue = TickQueue()
        waiting += try reader.items(
            of: .waitingTick, max: waitingMax - waiting, bytesEach: TickInput.encodedBytes,
            in: bytes
        ) { block in
            TickInput(block, tables).map { queue.append($0) } != nil
        }
        let asRead = queue.ticks
        queue.sort(tables.sources)
        guard queue.ticks == asRead else { throw reader.malformed(.waitingTick) }
        queues[symbol] = queue
    }

    /// Returns whether the calendar has this session, or there was no session so far.
    private func isPossible(_ open: Int64, _ close: Int64, isFinished: Bool) -> Bool {
        if open == Int64.min { return close == Int64.min && isFinished }
        guard Timestamp(nanoseconds: open).isUsable, let bounds = bounds(at: open) else {
            return false
        }
        return bounds.open == open && bounds.close == close
    }

    private mutating func restore(
        _ symbol: Int, _ series: Int, _ reader: inout StateReader, _ bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError) {
        let start = try reader.take(TickSums.encodedBytes)
        let block = bytes.extracting(start..<start + TickSums.encodedBytes)
        guard let sums = TickSums(block, tables) else { throw reader.malformed(.window) }
        var window = NumberWindow()
        window.sums = sums
        window.number = try reader.int64(in: bytes)
        window.hasForgotten = try reader.flag(of: .window, in: bytes)
        guard (0..<Int64.max / 2).contains(window.number) else { throw reader.malformed(.window) }
        let room = min(rememberedPerKeyMax, rememberedMax - remembered)
        remembered += try reader.items(
            of: .window, max: room, bytesEach: PublishedBar.encodedBytes, in: bytes
        ) { block in
            window.published.append(
                PublishedBar(block, symbol: UInt32(symbol), series: UInt16(series)))
            return true
        }
        sessions[symbol].windows[series] = window
    }
}

extension PublishedBar {
    static let encodedBytes = 32

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: openTime)
        bytes.append(integer: closeTime)
        bytes.append(integer: number)
        bytes.append(integer: content)
    }

    init(_ block: RawSpan, symbol: UInt32, series: UInt16) {
        self.init(
            symbol: symbol, series: series, openTime: block.int64(at: 0),
            closeTime: block.int64(at: 8))
        number = block.int64(at: 16)
        content = block.uint64(at: 24)
    }
}

extension StateReader {
    mutating func uint8(in bytes: RawSpan) throws(CheckpointError) -> UInt8 {
        bytes.uint8(at: try take(1))
    }

    /// Reads a flag, which must be 0 or 1, so that one state has only one encoding.
    mutating func flag(
        of field: CheckpointError.Field, in bytes: RawSpan
    ) throws(CheckpointError) -> Bool {
        let value = try uint8(in: bytes)
        guard value < 2 else { throw malformed(field) }
        return value == 1
    }
}
