import MarketModel
import OperatorGraph
import Primitives
import StreamCore

@testable import OperatorWorker

extension PartitionOperator {
    /// Makes the operator of partition 0 that begins at the start of its tape, behind the output
    /// that is already published.
    convenience init(
        starting settings: OperatorSettings, behind published: OutputLedger.End? = nil,
        lane: some OutputLane
    ) {
        self.init(
            partition: Partition(0), settings: settings,
            beginning: Beginning(
                way: .start, machine: GraphMachine(settings.program), published: published,
                input: CheckpointInput(position: nil, publishFrom: nil, hasBegun: false)),
            lane: lane)
    }
}
