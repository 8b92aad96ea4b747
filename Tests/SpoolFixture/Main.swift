import Glibc
import MarketModel
import Primitives
import TapeCodec
import TickSpool

/// Uses a spool like a gateway, and may be killed at any moment: it appends, syncs, takes, consumes
/// and sets aside for ever. A line on standard output means that the step was done.
@main
enum SpoolFixture {
    static func main() throws {
        guard CommandLine.arguments.count == 3, let seed = UInt64(CommandLine.arguments[2]),
            let source = SourceName("synthetic")
        else { exit(64) }
        var settings = Spool.Settings(
            folder: CommandLine.arguments[1], source: source, bytesMax: 64 << 20, queues: 3)
        settings.segmentBytes = 4_096
        let spool = try Spool(settings)
        say("open \(spool.frames)")
        var random = SeededRandom(seed: seed)
        while true {
            switch random.next() % 16 {
            case 0...8:
                let partition = Partition(Int(random.next() % 8))
                try append(spool, source, partition, ticks: Int(random.next() % 6))
            case 9:
                try random.next() % 2 == 0 ? spool.sync() : spool.storeMark()
                say("sync")
            case 10...14:
                guard let spooled = try spool.take(Int(random.next() % 3)) else { continue }
                // Printed before the step, because a consumed packet must not be missed afterwards.
                say("consume \(spooled.number)")
                try spool.consume(spooled.number)
            default:
                try spool.hold([(Partition(Int(random.next() % 4)), random.next() % 100 + 1)])
            }
        }
    }

    private static func append(
        _ spool: Spool, _ source: SourceName, _ partition: Partition, ticks: Int
    ) throws {
        var builder = PacketBuilder(kind: .ticks, partition: partition, source: source)
        for _ in 0..<ticks {
            let time = Timestamp(nanoseconds: 1_767_623_400_000_000_000)
            _ = builder.append(
                GapRecord(
                    header: TickHeader(
                        symbol: TickHeader.noSymbol, providerTime: time, receiveTime: time),
                    from: time, to: time, kind: .any, reason: .dropped, state: .open))
        }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: 1_767_623_400_000_000_000)))
        if case .appended(let number) = try spool.append(packet) { say("append \(number)") }
    }

    private static func say(_ text: String) {
        let bytes = Array("\(text)\n".utf8)
        guard unsafe write(1, bytes, bytes.count) == bytes.count else { exit(0) }
    }
}
