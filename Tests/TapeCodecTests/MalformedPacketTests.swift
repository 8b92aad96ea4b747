import Foundation
import MarketModel
import Primitives
import TapeCodec
import Testing

/// Returns the packet with a correct length and checksum after a change of its bytes.
func repaired(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    bytes.replaceLittleEndian(UInt32(bytes.count), at: WireFormat.HeaderOffset.byteCount)
    let checksum = bytes.withRawSpan {
        Checksum.of($0.extracting(WireFormat.HeaderOffset.checkedBytes..<$0.byteCount))
    }
    bytes.replaceLittleEndian(checksum, at: WireFormat.HeaderOffset.checksum)
    return bytes
}

@Suite struct MalformedPacketTests {
    private func error(of bytes: [UInt8]) -> PacketError? {
        do throws(PacketError) {
            _ = try bytes.withRawSpan { span throws(PacketError) in
                try PacketReader.validate(span)
            }
            return nil
        } catch {
            return error
        }
    }

    @Test("a count that does not fit the ticks is noticed")
    func wrongCount() throws {
        var bytes = try Samples.tickPacket().array
        bytes.replaceLittleEndian(UInt32(4), at: WireFormat.HeaderOffset.tickCount)
        #expect(
            error(of: repaired(bytes))
                == PacketError(
                    .wrongCount, offset: WireFormat.HeaderOffset.tickCount, expected: 3, found: 4))
    }

    @Test("a packet above the limit is refused unread")
    func tooLarge() {
        let bytes = [UInt8](repeating: 0, count: PacketLimits.bytesMax + 1)
        #expect(error(of: bytes)?.reason == .tooLarge)
    }

    @Test(
        "header fields that hold no value are refused, and the error names the field",
        arguments: [
            (WireFormat.HeaderOffset.kind, 0, 9, PacketError.Reason.badValue),
            (WireFormat.HeaderOffset.partition, 1, 0xff, .badValue),
            (WireFormat.HeaderOffset.source, 0, 0x20, .badValue),
            (WireFormat.HeaderOffset.source, 0, 0, .badValue),
            (WireFormat.HeaderOffset.epoch, 7, 0x80, .badValue),
            (WireFormat.HeaderOffset.firstOrdinal, 7, 0x80, .badValue),
            (0, 0, 81, .notAPacket), (2, 0, 2, .notAPacket), (4, 0, 1, .foreignSchema),
        ] as [(Int, Int, UInt8, PacketError.Reason)])
    func badHeader(field: Int, byte: Int, value: UInt8, reason: PacketError.Reason) throws {
        var bytes = try Samples.tickPacket().array
        bytes[field + byte] = value
        let error = error(of: repaired(bytes))
        #expect(error?.reason == reason && error?.offset == field)
    }

    @Test("an unknown tick is stepped over and counted, an unknown message stepped over")
    func unknown() throws {
        var bytes = try Samples.tickPacket().array
        bytes.appendMessage(template: 0x80ff, block: 5, variable: [])
        bytes.appendMessage(template: 0x02fe, block: 3, variable: [7, 0])
        bytes.replaceLittleEndian(UInt32(4), at: WireFormat.HeaderOffset.tickCount)
        #expect(error(of: repaired(bytes)) == nil)
        let records = Unpacked(bytes)
        #expect(records.unknown == [0x80ff, 0x02fe])
        #expect(records.tickCount == 4)
        #expect(records.trades.count == 2)
    }

    @Test("a variable field that reaches behind the packet is an error")
    func variableTooLong() throws {
        var bytes = try Samples.tickPacket().array
        bytes.appendMessage(template: 0x01fe, block: 0, variable: [3])
        bytes.replaceLittleEndian(UInt32.max, at: bytes.count - 7)
        #expect(error(of: repaired(bytes))?.reason == .truncated)
    }

    @Test("a block that is shorter than its template's is an error", arguments: Self.shortBlocks)
    func shortBlock(template: UInt16, block: Int) throws {
        var bytes = try Samples.watermarkPacket().array
        let fields = WireFormat.Template.variableFields(template)
        let start = bytes.count
        bytes.appendMessage(
            template: template, block: block - 1, variable: Array(repeating: 0, count: fields))
        #expect(
            error(of: repaired(bytes))
                == PacketError(
                    .truncated, offset: start, expected: UInt64(block), found: UInt64(block - 1)))
    }

    static let shortBlocks: [(UInt16, Int)] =
        [
            (WireFormat.Template.epochMarker, WireFormat.Block.epochMarker),
            (WireFormat.Template.symbolDefinition, WireFormat.Block.symbolDefinition),
        ] + RecordKind.templates.map { ($0, $1.block) }

    /// Trades and quotes, and a packet of each other kind.
    private static let kinds: [(name: String, make: @Sendable () throws -> SealedPacket)] =
        TickSamples.packets + [("ticks", { @Sendable in try Samples.tickPacket() })]

    @Test("every cut and every changed byte of every kind of packet is noticed")
    func damagedKinds() throws {
        for (name, make) in Self.kinds {
            let bytes = try make().array
            for count in 0..<bytes.count {
                let cut = Array(bytes.prefix(count))
                let hasHeader = count >= WireFormat.HeaderOffset.end
                #expect(
                    error(of: cut)?.reason == (hasHeader ? .wrongLength : .truncated),
                    "\(name) of \(count) bytes")
                guard hasHeader else { continue }
                #expect(
                    [.truncated, .wrongCount].contains(error(of: repaired(cut))?.reason),
                    "\(name) of \(count) bytes with a right checksum")
            }
            // The version's two bytes are left out, because a newer writer is not damage.
            for index in bytes.indices where index != 6 && index != 7 {
                var changed = bytes
                changed[index] ^= 0x5a
                #expect(error(of: changed) != nil, "\(name), byte \(index)")
            }
        }
    }

    @Test("longer blocks of a newer version are read by their known part, whatever the kind")
    func longerBlocks() throws {
        for (name, make) in Self.kinds {
            let bytes = try make().array
            var longer = Array(bytes[..<WireFormat.HeaderOffset.end])
            var offset = WireFormat.HeaderOffset.end
            bytes.withRawSpan { packet in
                while offset < packet.byteCount {
                    let block = Int(packet.uint16(at: offset))
                    let template = packet.uint16(at: offset + 2)
                    let body = offset + WireFormat.messageHeaderBytes
                    var end = body + block
                    for _ in 0..<WireFormat.Template.variableFields(template) {
                        end += WireFormat.lengthBytes + Int(packet.uint32(at: end))
                    }
                    let start = longer.count
                    longer += bytes[offset..<body + block] + [1, 2, 3, 4, 5]
                    longer.replaceLittleEndian(UInt16(block + 5), at: start)
                    longer.replaceLittleEndian(UInt16(9), at: start + 6)
                    longer += bytes[body + block..<end]
                    offset = end
                }
            }
            longer = repaired(longer)
            #expect(error(of: longer) == nil, "\(name)")
            #expect(UnpackedTicks(longer) == UnpackedTicks(bytes), "\(name)")
            #expect(Unpacked(longer).trades == Unpacked(bytes).trades, "\(name)")
            #expect(UnpackedTicks(longer).count + Unpacked(longer).trades.count > 0)
        }
    }

    @Test("damaged definitions are nil, never a trap")
    func damagedDefinitions() throws {
        let bytes = try Samples.barPacket().array
        var random = SeededRandom(seed: 5)
        for _ in 0..<2_000 {
            var damaged = bytes
            for _ in 0..<3 {
                let index = Int.random(
                    in: WireFormat.HeaderOffset.end..<bytes.count, using: &random)
                damaged[index] = UInt8.random(in: 0...255, using: &random)
            }
            _ = Unpacked(damaged)
            _ = damaged.withRawSpan { PacketReader.outputState(of: $0) }
        }
    }

    /// More packets and another seed can be set by hand, as docs/TESTING.md describes.
    private static let fuzzedPackets = number("FUZZ_PACKETS") ?? 20_000
    private static let fuzzSeed = number("FUZZ_SEED") ?? 2_026

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    @Test("mutated packets never trap, whatever their checksum says")
    func fuzz() throws {
        let samples = try GoldenPacketTests.names.map { try GoldenPacketTests.packet($0).array }
        var random = SeededRandom(seed: UInt64(clamping: Self.fuzzSeed))
        for _ in 0..<Self.fuzzedPackets {
            var bytes = samples[Int.random(in: 0..<samples.count, using: &random)]
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                mutate(&bytes, using: &random)
            }
            _ = error(of: bytes)
            guard bytes.count >= WireFormat.HeaderOffset.end else { continue }
            let fixed = repaired(bytes)
            _ = error(of: fixed)
            _ = Unpacked(fixed)
            _ = UnpackedTicks(fixed)
        }
    }

    private func mutate(_ bytes: inout [UInt8], using random: inout SeededRandom) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.removeSubrange(index..<min(bytes.count, index + 7))
        case 2: bytes.insert(contentsOf: [0xff, 0xff, 0xff, 0xff], at: index)
        default: bytes[index] = [0, 0xff, 0x7f, 0x80][Int.random(in: 0..<4, using: &random)]
        }
    }
}

extension [UInt8] {
    mutating func replaceLittleEndian(_ value: some FixedWidthInteger, at offset: Int) {
        var rest = value
        for index in 0..<(value.bitWidth / 8) {
            self[offset + index] = UInt8(truncatingIfNeeded: rest)
            rest >>= 8
        }
    }

    mutating func appendMessage(template: UInt16, block: Int, variable: [Int]) {
        for field in [UInt16(block), template, WireFormat.schemaID, WireFormat.version] {
            append(UInt8(truncatingIfNeeded: field))
            append(UInt8(truncatingIfNeeded: field >> 8))
        }
        append(contentsOf: repeatElement(0xee, count: block))
        for count in variable {
            append(contentsOf: [UInt8(count), 0, 0, 0])
            append(contentsOf: repeatElement(0xdd, count: count))
        }
    }
}
