import MarketModel
import NatsTransport
import OperatorGraph
import PostgresClient
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Proves the values over all partitions by the tape of bars.
struct ProofUniverse {
    let client: TapeClient
    let names: TapeNames
    let shutdown: ShutdownSignal

    private static let turn: Duration = .milliseconds(100)

    /// Compares the stored values of windows that begin in the range. It reads the tape of bars
    /// from its beginning, because a value may depend on the days before. Returns `nil` when it was
    /// interrupted.
    func compare(
        _ program: UniverseProgram, _ range: Range<Int64>, storedBy: Int64,
        _ database: ProofDatabase
    ) throws(ToolError) -> ProofValues? {
        var replay = UniverseReplay(program, range)
        replay.storedBy = storedBy
        do {
            guard let begins = try self.begins() else { return nil }
            replay.begins = begins
            let isWhole = try read([names.allBars], of: names.universe) { packet, header, bytes in
                replay.take(header, packet.sequence, storedAt: packet.time, bytes)
            }
            guard isWhole else { return nil }
        } catch {
            throw ToolError(reading: error)
        }
        let stored = try database.values(
            overAll: program.valueNames, range, until: range.upperBound + program.widthMax)
        return replay.compare(stored)
    }

    /// Returns the sequence of the last packet of bars before the present line of output: that
    /// which the first packet of its generation states as complete. It is 0 when this packet has
    /// the first output of all, and `nil` when the reading was interrupted.
    private func begins() throws -> UInt64? {
        var begins: UInt64 = 0
        var generation: UInt32?
        let isWhole = try read([names.universeValues], of: TapeNames.universeHome) {
            _, header, bytes in
            guard !header.flags.contains(.epochMarker),
                let state = PacketReader.outputState(of: bytes), state.generation != generation
            else { return }
            generation = state.generation
            begins = header.firstOrdinal > 1 ? state.input.sequence : 0
        }
        return isWhole ? begins : nil
    }

    /// Passes all packets of the stream of bars with these subjects. Returns false when it was
    /// interrupted.
    private func read(
        _ filters: [String], of partition: Partition,
        _ take: (RangeReader.Packet, PacketHeader, RawSpan) -> Void
    ) throws -> Bool {
        let input = TapeReaders.Input(
            partition: partition, stream: names.barStream, filters: filters,
            spansPartitions: partition == names.universe)
        let reader = try RangeReader(client, group: "prove")
        defer { reader.close() }
        try reader.open(input, from: .first, to: .stored)
        while !reader.isOver {
            if shutdown.isRequested { return false }
            try reader.receive(timeout: Self.turn) { packet in
                let header = try packet.header.get()
                packet.message.withPayload { take(packet, header, $0) }
            }
        }
        return true
    }
}

extension ProofDatabase {
    /// Returns the last revision of values over all partitions whose windows begin in the range and
    /// end by `until`.
    func values(
        overAll names: [String], _ range: Range<Int64>, until: Int64
    ) throws(ToolError) -> [ProofValueKey: Int128] {
        let query = """
            SELECT DISTINCT ON (name, symbol, of_source, period_start_ns, period_end_ns)
                name, symbol, of_source, period_start_ns, period_end_ns, value
            FROM indicators WHERE name = ANY ($5) AND ts >= $1 AND ts <= $2
                AND source = 'universe' AND period_start_ns >= $3 AND period_start_ns < $4
            ORDER BY name, symbol, of_source, period_start_ns, period_end_ns, revision DESC,
                epoch DESC, ordinal DESC
            """
        let ends = Self.bounds(range.lowerBound, until).prefix(2)
        let begins: [PostgresValue] = [.integer(range.lowerBound), .integer(range.upperBound)]
        let rows = try rows(query, Array(ends) + begins + [.textArray(names)])
        var found: [ProofValueKey: Int128] = [:]
        for row in 0..<rows.rowCount {
            guard let name = rows.text(row, 0), let from = rows.integer(row, 3),
                let to = rows.integer(row, 4)
            else { continue }
            let symbol = rows.text(row, 1).flatMap { Symbol($0) }
            let source = rows.text(row, 2).flatMap { SourceName($0) }
            let key = ProofValueKey(
                symbol: symbol.flatMap { symbol in
                    source.map { SourceSymbol(symbol, of: $0) }
                }, name: name, from: from, to: to)
            found[key] =
                rows.numeric(row, 5, scale: Price.decimals) ?? IndicatorValue.undefined
        }
        return found
    }
}
