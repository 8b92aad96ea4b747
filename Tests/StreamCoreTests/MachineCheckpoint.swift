import StreamCore

/// A checkpoint whose state is one machine.
extension OperatorCheckpoint {
    func encode(
        _ machine: Alone<BarMachine>, into bytes: inout [UInt8]
    ) throws(CheckpointError) {
        try encode(into: &bytes) { machine.encode(into: &$0) }
    }

    static func restore(
        _ bytes: RawSpan, series: BarSeriesSet
    ) throws(CheckpointError) -> (checkpoint: OperatorCheckpoint, machine: Alone<BarMachine>) {
        try restore(bytes, rule: BarRule(series: series), calendar: nil)
    }

    static func restore(
        _ bytes: RawSpan, rule: BarRule, calendar: SessionCalendar?
    ) throws(CheckpointError) -> (checkpoint: OperatorCheckpoint, machine: Alone<BarMachine>) {
        try restore(bytes) { span throws(CheckpointError) in
            try Alone<BarMachine>(rule: rule, calendar: calendar, restoring: span)
        }
    }
}
