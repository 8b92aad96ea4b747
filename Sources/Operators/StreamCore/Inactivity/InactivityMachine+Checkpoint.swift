internal import MarketModel
internal import Primitives

extension InactivityMachine {
    static let envelope = StateEnvelope("TLIM", version: 1)

    /// Restores the machine whose `encode` wrote these bytes, for the same rule and tables.
    public init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError) {
        var reader = try Self.envelope.open(bytes)
        self.init(
            intake: try TickIntake(rule: rule, &reader, bytes, tables),
            sources: tables.sources.entries.count, symbols: tables.symbols.count)
        for key in keys.indices { try restore(key, &reader, bytes, tables) }
        try reader.finish()
    }

    public func encode(_ tables: PartitionTables, into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        intake.encode(into: &bytes)
        for key in keys {
            bytes.append(integer: key.retiredEnd)
            bytes.append(integer: UInt32(key.windows.count))
            for window in key.windows { window.encode(into: &bytes) }
            bytes.append(integer: UInt32(key.loose.count))
            for one in key.loose { one.encode(into: &bytes) }
            bytes.append(integer: UInt32(key.withdrawals.count))
            for bar in key.withdrawals { bar.encode(into: &bytes) }
        }
        Self.envelope.seal(&bytes, from: start)
    }

    private mutating func restore(
        _ key: Int, _ reader: inout StateReader, _ bytes: RawSpan, _ tables: PartitionTables
    ) throws(CheckpointError) {
        let gap = gaps[key % seriesCount]
        keys[key].retiredEnd = try reader.int64(in: bytes)
        // After a repair a key may have more windows than live ticks may open. So only the total is
        // bounded here.
        held += try reader.items(
            of: .window, max: heldMax - held, bytesEach: InactivityWindow.encodedBytes, in: bytes
        ) { block in
            guard let window = InactivityWindow(block, tables),
                keys[key].windows.last.map({ $0.end(gap: gap) <= window.first }) ?? true
            else { return false }
            keys[key].windows.append(window)
            return true
        }
        held += try reader.items(
            of: .window, max: heldMax - held, bytesEach: LooseExclusion.encodedBytes, in: bytes
        ) { block in
            let one = LooseExclusion(block)
            guard Timestamp(nanoseconds: one.time).isUsable,
                keys[key].loose.last.map({ $0.time < one.time }) ?? true
            else { return false }
            keys[key].loose.append(one)
            return true
        }
        try reader.items(
            of: .window, max: StreamLimits.openWindowsMax, bytesEach: PublishedBar.encodedBytes,
            in: bytes
        ) { block in
            keys[key].withdrawals.append(
                PublishedBar(
                    block, symbol: UInt32(key / seriesCount), series: UInt16(key % seriesCount)))
            return true
        }
    }
}

extension InactivityWindow {
    static let encodedBytes = TickSums.encodedBytes + 18

    func encode(into bytes: inout [UInt8]) {
        sums.encode(into: &bytes)
        bytes.append(integer: publishedOpen)
        bytes.append(integer: publishedClose)
        bytes.append(isPublished ? 1 : 0)
        bytes.append(isLate ? 1 : 0)
    }

    /// Reads an encoded window; `nil` when no machine can hold it.
    init?(_ block: RawSpan, _ tables: PartitionTables) {
        let rest = TickSums.encodedBytes
        guard let sums = TickSums(block.extracting(0..<rest), tables), sums.hasTicks,
            block.uint8(at: rest + 16) < 2, block.uint8(at: rest + 17) < 2
        else { return nil }
        self.init()
        self.sums = sums
        publishedOpen = block.int64(at: rest)
        publishedClose = block.int64(at: rest + 8)
        isPublished = block.uint8(at: rest + 16) == 1
        isLate = block.uint8(at: rest + 17) == 1
    }
}

extension LooseExclusion {
    static let encodedBytes = 24

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: time)
        excluded.encode(into: &bytes)
    }

    init(_ block: RawSpan) {
        self.init(time: block.int64(at: 0), excluded: Bar.Excluded(block, at: 8))
    }
}
