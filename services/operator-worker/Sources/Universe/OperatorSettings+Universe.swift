import OperatorGraph
import ServiceRuntime
import TapeProtocol
import TapeTransport

// What a graph with nodes over all partitions asks of the workers.
extension OperatorSettings {
    /// A position over all partitions names each of them, in every packet and every checkpoint.
    static let universePartitionsMax = 1_024

    /// What is computed over all partitions; nil: nothing is.
    func universe(of names: TapeNames) -> UniverseProgram? {
        UniverseProgram(program.definition, partitions: names.partitions)
    }

    /// What the workers share out: the partitions, and behind them what works over all of them.
    func shares(of names: TapeNames) -> Int {
        names.partitions + (universe(of: names) == nil ? 0 : 1)
    }

    /// The tape keeps for the group what it has not read of these.
    func reads(of names: TapeNames) -> Set<ReaderPosition.Input> {
        universe(of: names) == nil ? [.ticks] : [.ticks, .bars]
    }

    func requireFit(_ names: TapeNames) throws(SettingsError) {
        guard names.partitions > Self.universePartitionsMax, universe(of: names) != nil else {
            return
        }
        throw SettingsError(
            "MDS_PARTITIONS: the graph has nodes with scope all, which take at most "
                + "\(Self.universePartitionsMax) partitions, not \(names.partitions)")
    }
}
