import MarketModel
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import TapeTransport

// What a session uses. Tests have others of these.

/// Where the records are kept: values that change by compare-and-set alone.
protocol IntentKeeper: AnyObject {
    /// Returns the value as its leader has it, and the number of its last write; 0: there is none.
    func read(_ place: SinkPlace) throws(StoreError) -> (value: [UInt8]?, revision: UInt64)
    /// Stores a value if the last write is `revision`. Returns the number of this write; `nil` when
    /// the last write is another one. Throws when it is not known whether it is stored.
    func write(
        _ place: SinkPlace, _ value: [UInt8], after revision: UInt64
    ) throws(StoreError) -> UInt64?
}

/// Where blocks are kept.
protocol BlockServer: AnyObject {
    var peer: String { get }
    /// The settings that say which database it has.
    var settingNames: String { get }
    /// Which database it is, also after a restart; empty: it does not say so.
    func identity() throws(StoreServerError) -> String
    /// Why its tables cannot be used; `nil`: they can.
    func problem() throws(StoreServerError) -> String?
    /// Names the tables that `problem` has seen: with another name for one that was made again.
    var tablesSeen: String { get }
    /// Inserts a block, so that its rows outlive a crash of the server.
    func insert(_ block: any StoreBlock, token: String) throws(StoreServerError)
    /// Returns why its tables do not show all rows yet that it had answered for at the mark; `nil`:
    /// they do. The first call sets the mark.
    func lag(behind mark: inout [String: Int]?) throws(StoreServerError) -> String?
    /// Returns the ordinals of these ranges that have rows of the place, in order, each once: all
    /// rows that its tables show count.
    func ordinals(
        of ranges: [OrdinalRange], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [UInt64]]
    /// Returns the ordinals that gaps name as missing: those of the batch that ends with this
    /// packet, or, where a gap is known by its ordinals, those that lie in a range.
    func named(
        by packet: TapePacket, in ranges: [SourceName: ClosedRange<UInt64>], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [ClosedRange<UInt64>]]
    /// Throws unless the blocks went into the tables that `problem` has seen. Called after the
    /// blocks of a batch, and before its position is stored.
    func confirm() throws(StoreServerError)
}

extension BlockServer {
    func lag(behind mark: inout [String: Int]?) throws(StoreServerError) -> String? { nil }
}

/// A server that recognises a repeat by the token of a block, as long as it remembers it. So it is
/// asked first what it has. Other servers recognise each row by its key.
protocol TokenServer: BlockServer {
    /// Returns the keys of the block's rows, in order.
    func keys(of block: any StoreBlock) -> [BlockKey]
    /// Returns the keys of the rows that are there within the block's range, each as often as it is
    /// there.
    func stored(
        _ block: any StoreBlock, of place: SinkPlace
    ) throws(StoreServerError) -> [BlockKey]
    /// Returns the last ordinals of sources of the place that are beyond these.
    func beyond(
        _ known: [SourceOrdinal], of place: SinkPlace
    ) throws(StoreServerError) -> [SourceOrdinal]
}

/// What the tape has lost of a declared batch, by a purge.
enum DeclaredLoss {
    case nothing
    /// The packet before it, and so any of its packets but the last one.
    case part
    /// Its last packet.
    case end
}

/// Where the packets of a declared batch are read again.
protocol DeclaredPackets: AnyObject {
    /// Returns whether the tape was purged of what the batch was made of: it begins after the
    /// position, and ends with this packet.
    func loss(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> DeclaredLoss
    /// Returns what the tape has after the position, up to this packet, as batches have it.
    func batch(
        _ place: SinkPlace, after position: SinkPosition, through packet: TapePacket
    ) throws(StoreError) -> WriteBatch
}

/// Where dead letters go.
struct LetterOutput {
    /// Keeps the letters of refused records: throws when they are not on a disk.
    let keep: (_ refused: [RefusedTick], _ batch: WriteBatch) throws(StoreError) -> [DeadLetter]
    /// Tells of letters whose batch is stored.
    let committed: ([DeadLetter]) -> Void
}
