internal import BenchmarkRows
import CAllocationCounter
import Glibc
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

/// Turns records into rows of a binary COPY that are thrown away. This is the writer's own
/// processor time.
struct RowRun {
    /// The limit per row, on one core.
    static let nanosecondsMax = 150.0
    private static let repetitions = 9

    let kind: Load.Kind
    let perPacket: Int

    /// Returns false if it allocates per row, or takes longer than allowed.
    func run() throws -> Bool {
        let rows = 200_000
        let load = try Load(kind, rows: rows, perPacket: perPacket)
        let catalogue = SinkCatalogue()
        var best = Double.infinity
        var allocations: UInt64 = 0
        for _ in 0..<Self.repetitions {
            let before = allocations_of_this_thread()
            let start = processorTime()
            let written = try encode(load, catalogue)
            best = min(best, (processorTime() - start) / .nanoseconds(1))
            allocations = allocations_of_this_thread() - before
            guard written == rows else { throw Load.Unusable() }
        }
        let nanoseconds = best / Double(rows)
        say(
            "rows: \(kind.rawValue), \(perPacket) a packet: \(rounded(nanoseconds)) ns per row, "
                + "\(allocations) allocations in \(rows) rows")
        BenchmarkRow("rows of \(kind.rawValue), \(perPacket) a packet", nanoseconds, "ns/row")
            .atMost(kind == .bars || perPacket < 64 ? nil : Self.nanosecondsMax).tell()
        let isFast = kind == .bars || perPacket < 64 || nanoseconds <= Self.nanosecondsMax
        return isFast && allocations < 64
    }

    /// Walks over the packets like `the session of PostgreSQL`, for one table.
    private func encode(_ load: Load, _ catalogue: SinkCatalogue) throws(PostgresError) -> Int {
        var writer = BinaryCopyWriter(operation: "COPY") { _ in }
        return try write(load, catalogue, to: &writer)
    }
}

/// Writes the rows of a load, in order.
func write(
    _ load: Load, _ catalogue: SinkCatalogue, to writer: inout BinaryCopyWriter,
    where isWanted: ((Record) -> Bool)? = nil,
    _ written: ((Record, borrowing PacketContext) -> Void)? = nil
) throws(PostgresError) -> Int {
    guard let index = catalogue.sinks.firstIndex(where: { $0.name == load.kind.sink }),
        let first = load.packets.first
    else { return 0 }
    let sink = catalogue.sinks[index]
    var rows = 0
    var context = PacketContext(first.header)
    for packet in load.packets {
        context.begin(packet.header)
        try packet.withBytes { bytes throws(PostgresError) in
            try context.walk(bytes) { context, record, ordinal throws(PostgresError) in
                guard catalogue.index(of: record) == index else { return }
                if let isWanted, !isWanted(record) { return }
                guard try sink.write(record, context, bytes, ordinal, &writer) else { return }
                rows += 1
                written?(record, context)
            }
        }
    }
    return rows
}

func rounded(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(abs(tenths % 10))"
}
