import Foundation
import MarketModel
import Primitives
import TapeCodec
import TestSupport
import Testing

@testable import TickSpool

/// Makes packets as a gateway seals them: dense ordinals per partition, times that rise.
final class PacketMaker {
    static let start: Int64 = 1_767_623_400_000_000_000

    var source: SourceName
    var epoch: UInt64 = 1
    private var next: [Partition: UInt64] = [:]
    private var made: Int64 = 0

    init(_ source: String = "synthetic") throws {
        self.source = try #require(SourceName(source))
    }

    /// Returns the next packet of a partition.
    func packet(_ partition: Int = 0, ticks: Int = 3) throws -> SealedPacket {
        let partition = Partition(partition)
        var builder = PacketBuilder(kind: .ticks, partition: partition, source: source)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "synthetic",
                since: Timestamp(nanoseconds: Self.start)))
        made += 1_000
        for index in 0..<ticks {
            let header = TickHeader(
                symbol: symbol,
                providerTime: Timestamp(nanoseconds: Self.start + made + Int64(index)),
                receiveTime: Timestamp(nanoseconds: Self.start + made + Int64(index)))
            let isIn = builder.append(
                Trade(
                    header: header, price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000), exchange: .empty, conditions: .empty))
            #expect(isIn)
        }
        let first = next[partition] ?? 1
        next[partition] = first + UInt64(ticks)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: epoch, firstOrdinal: first,
                watermark: Timestamp(nanoseconds: Self.start + made + Int64(ticks)),
                sendTime: Timestamp(nanoseconds: Self.start + made + 500)))
    }
}

extension SealedPacket {
    var array: [UInt8] { withBytes { $0.array } }
}

/// A folder for spools, and packets for them. It opens them.
struct SpoolRig {
    let maker: PacketMaker
    let temporary: TemporaryFolder
    let root: String
    var bytesMax = 64 << 20
    var segmentBytes: Int?
    let source: SourceName

    init(_ source: String = "synthetic") throws {
        temporary = try TemporaryFolder("spool")
        root = temporary.file("root")
        maker = try PacketMaker()
        self.source = try #require(SourceName(source))
    }

    var settings: Spool.Settings {
        var settings = Spool.Settings(folder: root, source: source, bytesMax: bytesMax)
        if let segmentBytes { settings.segmentBytes = segmentBytes }
        return settings
    }

    func open() throws -> Spool { try Spool(settings) }

    /// The folder of the spool at work.
    var active: String { "\(root)/\(source)/spool" }

    /// The paths of its segments, the oldest first.
    func segments() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: active)
            .filter { $0.hasSuffix(".frames") }.sorted().map { "\(active)/\($0)" }
    }

    /// The names of the spools that were set aside.
    func asides() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/aside").sorted()) ?? []
    }
}

extension Spool {
    /// Returns everything in the spool, and consumes each packet once it was read.
    func drain() throws -> [SealedPacket] {
        var packets: [SealedPacket] = []
        while let spooled = try take() {
            packets.append(spooled.packet)
            try consume(spooled.number)
        }
        return packets
    }

    @discardableResult
    func append(_ packets: [SealedPacket]) throws -> [SpoolAppend] {
        try packets.map { try append($0) }
    }
}

extension [SealedPacket] {
    var bytes: [[UInt8]] { map(\.array) }
}
