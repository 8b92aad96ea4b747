import BenchmarkRows
import Foundation
import Glibc
import StoreSinks
import TapeCodec
import TestSupport

/// Compares the processor time of a client of ours, from packets to the answers of a server, with
/// that of a client of PyPI for the same rows in the same batches, which it gets as values of
/// Python. The server keeps nothing, and has a core of its own.
struct ClientRun<Rows: BlockRowWriter> {
    /// A product's clients.
    struct Clients {
        let product: String
        let peer: String
        /// The list of the peer's packages.
        let packages: String
        /// Makes what collects rows of a table.
        let rows: (Sink) -> Rows
        let body: (Rows.Block) -> [UInt8]
        let send: (Rows.Block) throws -> Void
    }

    let clients: Clients
    let kind: Load.Kind
    let front: ClientFront

    func run() throws -> Bool {
        guard let sink = SinkCatalogue().sinks.first(where: { $0.name == kind.sink }) else {
            throw Load.Unusable()
        }
        let loads = try (0..<ClientFront.batches).map { batch in
            try Load(
                kind, rows: ClientFront.rowsOfBatch, perPacket: 512,
                firstOrdinal: UInt64(1 + batch * ClientFront.rowsOfBatch))
        }
        let empty = clients.rows(sink)
        let folder = try TemporaryFolder("clients")
        var bodies: [UInt8] = []
        for load in loads { for block in blocks(load, sink, empty) { add(block, to: &bodies) } }
        try Data(bodies).write(to: URL(fileURLWithPath: folder.file("bodies")))
        var (ours, theirs) = (ClientFigure(), ClientFigure())
        // A client opens its connection once.
        _ = try turn(loads, sink, empty)
        for _ in 0..<ClientFront.turns { ours.take(try turn(loads, sink, empty)) }
        for figure in try front.peers(
            clients.product, clients.packages, kind, folder.file("bodies"))
        {
            theirs.take(figure)
        }
        for _ in 0..<ClientFront.turns { ours.take(try turn(loads, sink, empty)) }
        return tell(ours, theirs)
    }

    /// Sends all rows some times.
    private func turn(_ loads: [Load], _ sink: Sink, _ empty: Rows) throws -> ClientFigure {
        try front.measure {
            var rows = 0
            for _ in 0..<ClientFront.repetitions {
                for load in loads {
                    for block in blocks(load, sink, empty) {
                        try clients.send(block)
                        rows += block.rowCount
                    }
                }
            }
            return rows
        }
    }

    /// Makes the blocks of a batch, as the writer does.
    private func blocks(_ load: Load, _ sink: Sink, _ empty: Rows) -> [Rows.Block] {
        let catalogue = SinkCatalogue([sink.name])
        let write = Rows.write(of: sink)
        var rows = empty
        guard let first = load.packets.first else { return [] }
        var context = PacketContext(first.header)
        for packet in load.packets {
            context.begin(packet.header)
            packet.withBytes { bytes in
                context.walk(bytes) { context, record, ordinal in
                    guard catalogue.index(of: record) != nil else { return }
                    _ = write(record, context, bytes, ordinal, &rows)
                }
            }
        }
        return rows.parts().map(\.block)
    }

    private func add(_ block: Rows.Block, to bodies: inout [UInt8]) {
        let body = clients.body(block)
        unsafe withUnsafeBytes(of: UInt64(body.count).littleEndian) {
            unsafe bodies.append(contentsOf: $0)
        }
        bodies += body
    }

    private func tell(_ ours: ClientFigure, _ theirs: ClientFigure) -> Bool {
        let name = "client of \(clients.product), \(kind.rawValue)"
        let ratio = ours.seconds / theirs.seconds
        let busy = max(ours.busyPercent, theirs.busyPercent)
        say(
            "\(name): \(rounded(ours.seconds * 1_000)) ms of a core a million rows, "
                + "\(clients.peer) \(rounded(theirs.seconds * 1_000)), \(percent(ratio)) of it; "
                + "\(rounded(ours.bytes)) and \(rounded(theirs.bytes)) bytes a row; server "
                + "\(rounded(ours.busyPercent)) and \(rounded(theirs.busyPercent)) % busy")
        BenchmarkRow(name, ours.seconds, "s of a core/M rows")
            .beside(clients.peer, theirs.seconds).ratio(atMost: ClientFront.ratioMax).tell()
        let limit = front.isApart ? ClientFront.busyPercentMax : nil
        BenchmarkRow("\(name): the server", busy, "% of a core").atMost(limit).tell()
        return ratio <= ClientFront.ratioMax && limit.map { busy <= $0 } ?? true
    }
}

/// What a client needed.
struct ClientFigure {
    /// Processor-seconds for a million rows: the least of all turns.
    var seconds = Double.infinity
    /// Of the server's core, at most.
    var busyPercent = 0.0
    /// Of the bodies, for a row.
    var bytes = 0.0

    mutating func take(_ other: ClientFigure) {
        seconds = min(seconds, other.seconds)
        busyPercent = max(busyPercent, other.busyPercent)
        bytes = other.bytes
    }
}

/// The server that keeps nothing. From its start on, this process has the first core alone, and the
/// processes that it begins later.
struct ClientFront {
    static let rowsOfBatch = 20_000
    static let batches = 3
    /// How often our client sends these batches in one turn, and how many turns there are.
    static let repetitions = 5
    static let turns = 3
    static let ratioMax = 0.5
    static let busyPercentMax = 70.0
    static let packages = "clickhouse-client"

    private let server: PythonServer
    var port: UInt16 { server.port() }
    /// Whether it has a core of its own.
    var isApart: Bool { server.port("cores") > 1 }

    init() throws {
        server = try PythonServer(
            Self.script("discard_rows.py"), ["\(getpid())"], of: Self.packages)
        if !isApart { say("clients: there is one core, which the server shares") }
    }

    private static func script(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(name)
            .path
    }

    /// Measures what inserts rows, and returns how many.
    func measure(_ insert: () throws -> Int) throws -> ClientFigure {
        let before = try use()
        let start = (Self.seconds(of: CLOCK_MONOTONIC), Self.seconds(of: CLOCK_PROCESS_CPUTIME_ID))
        let rows = Double(try insert())
        let spent = Self.seconds(of: CLOCK_PROCESS_CPUTIME_ID) - start.1
        let taken = Self.seconds(of: CLOCK_MONOTONIC) - start.0
        let after = try use()
        return ClientFigure(
            seconds: spent / rows * 1e6,
            busyPercent: 100 * (after.seconds - before.seconds) / taken,
            bytes: (after.bytes - before.bytes) / rows)
    }

    /// Has a client of PyPI insert the rows of a file, and returns what it needed in each turn.
    func peers(
        _ product: String, _ packages: String, _ kind: Load.Kind, _ path: String
    ) throws -> [ClientFigure] {
        let answer = try TestSupport.run(
            "/bin/bash",
            [
                "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", packages,
                Self.script("insert_rows.py"), product.lowercased(), kind.sink.rawValue, path,
                "\(port)", "\(server.port("control_port"))", "\(Self.turns)",
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        return try answer.split(separator: "\n").map { line in
            let words = line.split(separator: " ").compactMap { Double($0) }
            guard words.count == 4, Int(words[0]) == Self.batches * Self.rowsOfBatch else {
                throw Stage.Unusable(description: "the client of \(product) says: \(answer)")
            }
            return ClientFigure(
                seconds: words[1] / words[0] * 1e6, busyPercent: words[2],
                bytes: words[3] / words[0])
        }
    }

    /// The processor time of the server, and the bytes that it got.
    private func use() throws -> (seconds: Double, bytes: Double) {
        let words = try server.command("use").split(separator: " ").compactMap { Double($0) }
        guard words.count == 2 else { throw Load.Unusable() }
        return (words[0], words[1])
    }

    private static func seconds(of clock: clockid_t) -> Double {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
