import OperatorGraph
import ServiceRuntime
import TapeProtocol
import TapeTransport

// The requirements of a graph with nodes over all partitions.
extension OperatorSettings {
    /// The maximum number of partitions of the tape for such a graph. A position over all
    /// partitions names each of them, in every packet and checkpoint.
    static let universePartitionsMax = 1_024

    /// Returns the program of the share over all partitions; `nil` when the graph has no nodes with
    /// `scope: all`.
    func universe(of names: TapeNames) -> UniverseProgram? {
        UniverseProgram(program.definition, partitions: names.partitions)
    }

    /// How long the tape may go without the watermark of a partition's bars when it makes none.
    /// Nodes over all partitions wait for it. Without such nodes no reader of ours does, and a
    /// packet without bars is a durable write in each partition.
    var watermarkNanosecondsMax: Int64 {
        UniverseProgram(program.definition, partitions: 1) == nil ? 10_000_000_000 : 1_000_000_000
    }

    /// Returns the number of shares for the workers: the partitions, and the share over all
    /// partitions if the graph needs it.
    func shares(of names: TapeNames) -> Int {
        names.partitions + (universe(of: names) == nil ? 0 : 1)
    }

    /// Returns the inputs that the group reads. The tape keeps unread packets of these.
    func reads(of names: TapeNames) -> Set<ReaderPosition.Input> {
        universe(of: names) == nil ? [.ticks] : [.ticks, .bars]
    }

    /// Throws when the graph cannot be used with the tape's number of partitions.
    func requireFit(_ names: TapeNames) throws(SettingsError) {
        guard names.partitions > Self.universePartitionsMax, universe(of: names) != nil else {
            return
        }
        throw SettingsError(
            "MDS_PARTITIONS: the graph has nodes with scope all, which take at most "
                + "\(Self.universePartitionsMax) partitions, not \(names.partitions)")
    }
}
