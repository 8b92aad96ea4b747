import Primitives
import StreamCore

/// A checkpoint whose state is one machine.
extension OperatorCheckpoint {
    func bytes(_ machine: Alone<BarMachine>) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try encode(into: &bytes) { $0 += machine.snapshot }
        return bytes
    }

    static func restore(
        _ bytes: [UInt8], rule: BarRule, calendar: SessionCalendar? = nil
    ) throws -> (checkpoint: OperatorCheckpoint, machine: Alone<BarMachine>) {
        try bytes.read {
            try restore($0) { span throws(CheckpointError) in
                try Alone<BarMachine>(rule: rule, calendar: calendar, restoring: span.array)
            }
        }
    }
}
