import Foundation
import MarketModel
import NatsTransport
import Primitives
import TestSupport
import ServiceTestSupport
import TapeTransport
import Testing

@testable import MembershipTransport
@testable import StoreWriter

@Suite("The memory of a store writer")
struct WriterMemoryTests {
    private static let partitions = 32
    private static let packetTicks = 1_000
    /// The peak that the complete program may reach, whatever the tape holds.
    private static let peakKilobytesMax = 300 * 1_024

    /// `TEST_STORE_WRITER` names another build of the program.
    private static let program = ProcessInfo.processInfo.environment["TEST_STORE_WRITER"]

    private func publish(_ sources: inout [TestSource], packets: Int) throws {
        for _ in 0..<packets {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: Self.packetTicks)
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
    }

    /// Returns the peak of the process's resident memory.
    private func peakKilobytes(_ id: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.split(separator: " ")[1]))
    }

    @Test("a long way behind and with a database that stands still, it keeps within its bound")
    func stall() throws {
        let server = try PostgresServer()
        let bench = try WriterBench(
            "writer_mem", nats: NatsServer(), server: server, partitions: Self.partitions)
        _ = try bench.tape.client.jetStream.createBucket(
            OwnerRecords.configuration(bench.tape.names))
        var sources = try (0..<Self.partitions).map { try bench.source($0) }
        try publish(&sources, packets: 8)
        let folder = try TemporaryFolder("writer-memory")
        let writer = try ServerProcess(
            try Self.program ?? ProductPrograms.path("store-writer"), [],
            environment: bench.environment().merging(["OPS_PORT": "0", "LOG_FORMAT": "json"]) {
                $1
            }, logPath: folder.file("writer.log"))
        let all = [Int](repeating: 8 * Self.packetTicks, count: Self.partitions)
        #expect(bench.isComplete(all), "\(bench.shown) \(writer.log)")
        let moving = try peakKilobytes(writer.id)
        server.pause()
        let before = writer.log.utf8.count
        try publish(&sources, packets: 8)
        // Each worker waits for the database, with a full queue and held readers.
        #expect(
            eventually {
                let said = String(decoding: writer.log.utf8.dropFirst(before), as: UTF8.self)
                return said.components(separatedBy: "\"writer.queue.high\"").count > 4
            }, "\(writer.log)")
        let stalled = try peakKilobytes(writer.id)
        server.resume()
        #expect(bench.isComplete(all.map { $0 * 2 }), "\(bench.shown)")
        let after = try peakKilobytes(writer.id)
        print("peak in KiB: moving \(moving), stalled \(stalled), after it \(after)")
        #expect(after < Self.peakKilobytesMax)
        #expect(writer.stop() == 0)
        #expect(try bench.missing() == "0")
    }
}
