import Primitives
import StreamCore

/// What a checkpoint holds.
protocol Stateful {
    func encode(into bytes: inout [UInt8])
}

extension Stateful {
    /// The bytes that a checkpoint holds.
    var state: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }
}

extension BreadthMachine: Stateful {}
extension CheckpointHead: Stateful {}
extension CheckpointManifest: Stateful {}
extension DailyHistory: Stateful {}
extension Deduplicator: Stateful {}
extension MissingStretches: Stateful {}
extension PartitionTables: Stateful {}
extension QuoteJoin: Stateful {}
extension ReceivedValues: Stateful {}
extension ScanMachine: Stateful {}
extension Throttle: Stateful {}

extension [UInt8] {
    /// Returns what is read from these bytes.
    func read<Value>(_ read: (RawSpan) throws -> Value) throws -> Value {
        try withRawSpan { span throws(any Error) in try read(span) }
    }
}
