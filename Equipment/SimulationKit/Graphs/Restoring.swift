package import OperatorGraph
internal import Primitives
package import StreamCore

extension UniverseMachine {
    /// Continues with the machine that its own bytes make, as a new owner does. Returns whether
    /// that machine has the same bytes.
    package mutating func restore() throws(CheckpointError) -> Bool {
        let bytes = encoded()
        let program = program
        self = try bytes.withRawSpan { span throws(CheckpointError) in
            try UniverseMachine(program, restoring: span)
        }
        return encoded() == bytes
    }

    private func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }
}
