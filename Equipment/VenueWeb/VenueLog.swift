package import Primitives

/// Lines of JSON that wait to be written to a file.
package struct VenueLog: Sendable {
    private var writer = JSONWriter(capacity: 512)
    private var lines: [UInt8] = []
    package let isWanted: Bool

    package init(isWanted: Bool) { self.isWanted = isWanted }

    /// Adds an object, if the log is wanted.
    package mutating func add(_ members: (inout JSONWriter) -> Void) {
        guard isWanted else { return }
        writer.removeAll()
        writer.object(members)
        lines += writer.bytes
        lines.append(UInt8(ascii: "\n"))
    }

    package mutating func takeLines() -> [UInt8] {
        defer { lines.removeAll(keepingCapacity: true) }
        return lines
    }
}
