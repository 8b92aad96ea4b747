internal import Primitives
internal import TapeCodec

/// Where the ticks of one kind are in a packet, until their fields are copied into columns.
///
/// Safety: the decoder keeps the memory, which has room for the ticks of any packet. Places below
/// `count` are set. No reference is held, because it would be counted with each packet.
@safe
struct TickPlaces {
    /// So many trades fit into a packet. They are the shortest ticks that are copied.
    private static let countMax =
        PacketLimits.bytesMax / (WireFormat.messageHeaderBytes + WireFormat.Block.trade) + 1

    fileprivate struct Place: BitwiseCopyable {
        /// The offset of the tick's block in the packet.
        let block: UInt32
        /// The number of the tick in the packet, from 1.
        let tick: UInt32
    }

    /// Memory that is used again with each packet.
    ///
    /// Safety: `TickPlaces` reads what it has set, and frees nothing.
    @safe
    final class Memory {
        fileprivate let places: UnsafeMutablePointer<Place>

        init() { unsafe places = .allocate(capacity: TickPlaces.countMax) }

        deinit { unsafe places.deallocate() }
    }

    private let places: UnsafeMutablePointer<Place>
    private(set) var count = 0

    init(_ memory: Memory) { unsafe places = memory.places }

    /// Notes a tick whose message begins at this place.
    @inline(__always)
    mutating func append(_ message: Int, tick: UInt32) {
        let block = UInt32(truncatingIfNeeded: message &+ WireFormat.messageHeaderBytes)
        unsafe (places + count).initialize(to: Place(block: block, tick: tick))
        count &+= 1
    }

    mutating func removeAll() { count = 0 }

    /// Leaves out the ticks that `isWanted` is not true of.
    mutating func filter(
        in packet: RawSpan, _ isWanted: (TickFields, Int) -> Bool
    ) {
        var kept = 0
        withFields(of: packet) { ticks in
            for index in ticks.indices where isWanted(ticks, index) {
                unsafe places[kept] = places[index]
                kept &+= 1
            }
        }
        count = kept
    }

    /// Calls `body` with the fields of the ticks in their packet.
    func withFields(of packet: RawSpan, _ body: (TickFields) -> Void) {
        guard count > 0 else { return }
        unsafe packet.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe body(TickFields(count: count, places: places, packet: start))
        }
    }
}

/// The fields of the ticks at these places of a packet.
///
/// Safety: it is used within `TickPlaces.withFields`. Each place was that of a tick with a complete
/// block, and the offsets are those of fields of its kind.
@safe
struct TickFields {
    private let count: Int
    private let places: UnsafeMutablePointer<TickPlaces.Place>
    private let packet: UnsafeRawPointer

    fileprivate init(
        count: Int, places: UnsafeMutablePointer<TickPlaces.Place>, packet: UnsafeRawPointer
    ) {
        self.count = count
        unsafe self.places = places
        unsafe self.packet = packet
    }

    var indices: Range<Int> { 0..<count }

    /// Returns a field of a tick by its offset in the block.
    @inline(__always)
    func load<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, of index: Int) -> Value {
        let place = unsafe Int(places[index].block) &+ offset
        return unsafe Value(
            littleEndian: packet.loadUnaligned(fromByteOffset: place, as: Value.self))
    }

    /// Returns the number of a tick in its packet, from 1.
    @inline(__always)
    func number(of index: Int) -> UInt64 { unsafe UInt64(places[index].tick) }
}
