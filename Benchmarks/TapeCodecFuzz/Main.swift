internal import Glibc
import MarketModel
import Primitives
import TapeCodec

/// Reads mutated packets until one of them traps, or all are read.
///
///     TapeCodecFuzz COUNT SEED FILE.hex...
///
/// Each file is a good packet. Every mutant is read twice: as it is, and with a corrected length
/// and checksum, so that the damage reaches the messages.
@main
struct TapeCodecFuzz {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 3, let count = Int(arguments[1]), let seed = UInt64(arguments[2])
        else {
            print("usage: TapeCodecFuzz COUNT SEED FILE.hex...")
            exit(64)
        }
        let samples = arguments[3...].map(packet)
        guard samples.allSatisfy({ $0.count >= WireFormat.HeaderOffset.end }) else {
            print("a file holds no packet")
            exit(64)
        }
        var mutator = Mutator(random: SeededRandom(seed: seed))
        var tally = Tally()
        var bytes: [UInt8] = []
        for _ in 0..<count {
            bytes.removeAll(keepingCapacity: true)
            bytes.append(contentsOf: samples[mutator.below(samples.count)])
            mutator.mutate(&bytes)
            tally.read(bytes)
            guard bytes.count >= WireFormat.HeaderOffset.end else { continue }
            bytes.repair()
            tally.read(bytes)
        }
        print("\(count) mutated packets, seed \(seed), nothing trapped")
        for (outcome, packets) in tally.outcomes.sorted(by: { $0.key < $1.key }) {
            print("  \(packets) \(outcome)")
        }
        print("  \(tally.messages) messages read, \(tally.values) with all their values")
    }

    /// Returns the bytes of a file of hexadecimal numbers. Empty if it cannot be read.
    static func packet(_ path: String) -> [UInt8] {
        guard let file = unsafe fopen(path, "r") else { return [] }
        defer { unsafe fclose(file) }
        var digits: [UInt8] = []
        while true {
            let character = unsafe fgetc(file)
            guard let byte = UInt8(exactly: character) else { break }
            switch byte {
            case 0x30...0x39: digits.append(byte - 0x30)
            case 0x61...0x66: digits.append(byte - 0x61 + 10)
            default: continue
            }
        }
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            digits[$0] << 4 | digits[$0 + 1]
        }
    }
}

struct Mutator {
    var random: SeededRandom

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

    mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0...below(8) where !bytes.isEmpty {
            let index = below(bytes.count)
            switch below(6) {
            case 0: bytes[index] = UInt8(below(256))
            case 1: bytes[index] = [0, 0xff, 0x7f, 0x80][below(4)]
            case 2: bytes[index] ^= 1 << UInt8(below(8))
            case 3: bytes.removeSubrange(index..<min(bytes.count, index + 1 + below(16)))
            case 4: bytes.insert(contentsOf: [0xff, 0xff, 0xff, 0xff], at: index)
            default:
                // Repeats a piece of the packet, which may contain complete messages.
                let end = min(bytes.count, index + 1 + below(160))
                bytes.append(contentsOf: Array(bytes[index..<end]))
            }
        }
    }
}

struct Tally {
    var outcomes: [String: Int] = [:]
    var messages = 0
    var values = 0

    mutating func read(_ bytes: [UInt8]) {
        bytes.withRawSpan { packet in
            do throws(PacketError) {
                _ = try PacketReader.validate(packet)
                outcomes["valid", default: 0] += 1
            } catch {
                outcomes[error.reason.rawValue, default: 0] += 1
            }
            guard packet.byteCount >= WireFormat.HeaderOffset.end else { return }
            // A reader that does not validate must not trap either.
            var cursor = RecordCursor()
            while let record = cursor.next(in: packet) {
                messages += 1
                if case .other(let message) = record, isRead(message, packet) { values += 1 }
            }
            _ = PacketReader.outputState(of: packet)
        }
    }

    private func isRead(_ message: MessageBounds, _ packet: RawSpan) -> Bool {
        let messages = [
            message.symbolDefinition(in: packet) != nil,
            message.seriesDefinition(in: packet) != nil,
            message.epochMarker(in: packet) != nil, message.outputState(in: packet) != nil,
            message.sourceOrdinal(in: packet) != nil, message.groupMember(in: packet) != nil,
        ]
        _ = message.tickHeader(in: packet)
        return TapeRecord(message, in: packet) != nil || messages.contains(true)
    }
}

extension [UInt8] {
    /// Corrects length and checksum.
    mutating func repair() {
        put(UInt64(count), bytes: 4, at: WireFormat.HeaderOffset.byteCount)
        let checksum = withRawSpan {
            Checksum.of($0.extracting(WireFormat.HeaderOffset.checkedBytes..<$0.byteCount))
        }
        put(checksum, bytes: 8, at: WireFormat.HeaderOffset.checksum)
    }

    private mutating func put(_ value: UInt64, bytes: Int, at offset: Int) {
        for index in 0..<bytes {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
        }
    }
}
