internal import Foundation
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport

/// Pulls the packets of a real nats-server by the least program that libnats allows, without the
/// library and with it: the same connection, the same pulls, the same packets.
struct TapeRun {
    private static let streamBytesMax: Int64 = 4 << 30
    private static let timeout = Duration.seconds(120)
    /// The most packets that are in memory at once while they are put on the tape.
    private static let waitingMax = 4_096

    private let server: NatsServer
    private let folder: TemporaryFolder
    private let ticksOfPacket: Int
    private var market: Market
    /// How many packets are on the tape.
    private(set) var packets = 0

    /// Makes an empty tape.
    init(ticksOfPacket: Int) throws {
        self.ticksOfPacket = ticksOfPacket
        market = try Market(ticksOfPacket: ticksOfPacket)
        folder = try TemporaryFolder("columns")
        server = try NatsServer(syncInterval: "2m")
        guard let names = TapeNames(namespace: "md", partitions: Market.partitions) else {
            throw Unusable("no names")
        }
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        let client = try TapeClient(
            NatsConfiguration(urls: [server.url], clientName: "benchmark"), names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
        defer { client.close() }
        try client.ensureTickStreams(bytesMax: Self.streamBytesMax)
    }

    /// Puts so many packets more on the tape.
    mutating func publish(_ count: Int) throws {
        let end = packets + count
        while packets < end { try publishSome(min(end - packets, Self.waitingMax)) }
    }

    private mutating func publishSome(_ count: Int) throws {
        var file = Data()
        for _ in 0..<count {
            let (partition, bytes) = try market.next()
            // When it is due, its partition, its length (CBareTape/replay.c).
            for word in [0, UInt64(partition) | UInt64(bytes.count) << 32] {
                unsafe withUnsafeBytes(of: word.littleEndian) {
                    unsafe file.append(contentsOf: $0)
                }
            }
            file.append(contentsOf: bytes)
        }
        try file.write(to: URL(fileURLWithPath: folder.file("packets")))
        _ = try bare([
            "replay", server.url, "md", market.source.text, folder.file("packets"),
            folder.file("answers"),
        ])
        packets += count
    }

    /// Returns packets per second. `library`: it makes columns of each packet, too.
    func read(library: String?) throws -> Double {
        let answer = try bare(
            [
                "read", server.url, "md", "MD_TICKS", "bench", "\(Market.partitions)", "\(packets)",
                "1", "0", "1",
            ] + (library.map { [$0] } ?? []))
        let rows = library == nil ? 0 : packets * ticksOfPacket
        guard answer["rows"]?.double == Double(rows),
            let rate = answer["packets_per_second"]?.double
        else { throw Unusable("the pull has not read \(rows) rows") }
        return rate
    }

    /// Returns the peak of memory of a program that reads all trades, in MB above its start.
    func peak(_ reader: PackageReader) throws -> Double {
        let (rows, megabytes) = try reader.read(server.url)
        guard rows == packets * ticksOfPacket else {
            throw Unusable("the package has read \(rows) rows")
        }
        return megabytes
    }

    /// Makes the library of the build of this program.
    static func library(in folder: TemporaryFolder) throws -> String {
        let file = folder.file("libtapeline_decoder.so")
        try TestSupport.run(
            "/bin/bash",
            [
                "\(ServerPrograms.checkout)/deploy/local/decoder.sh", "--debug",
                ProductPrograms.folder, file,
            ])
        return file
    }

    private func bare(_ arguments: [String]) throws -> JSONValue {
        let log = folder.file("out-\(UUID().uuidString.prefix(8))")
        let process = try ChildProcess(
            executable: try ProductPrograms.path("CBareTape"), arguments: arguments,
            environment: [:], logPath: log)
        guard process.wait(timeout: Self.timeout) == .exited(0) else {
            process.stop(9)
            let said = try String(contentsOfFile: log, encoding: .utf8)
            throw Unusable("CBareTape \(arguments[0]): \(said)")
        }
        return try JSONValue.parse(try String(contentsOfFile: log, encoding: .utf8))
    }
}
