package import MarketModel
package import Primitives

/// A person's request that the bars of a partition be made again: a value in the operators' bucket,
/// which the worker deletes when that is done.
package struct RebuildRequest: Equatable, Sendable {
    static let version = 1

    package var requested: Timestamp

    package init(requested: Timestamp) { self.requested = requested }

    package static func key(_ partition: Partition) -> String { "operator.\(partition).rebuild" }

    package var json: [UInt8] {
        var json = JSONWriter(capacity: 64)
        json.object(version: Self.version) { $0.member("requested_ns", requested.nanoseconds) }
        return json.bytes
    }

    /// Returns why a value is not such a request; `nil` if it is one. Only a newer release can mean
    /// something else by it: any other value is one, whatever it says.
    package static func refusal(of bytes: [UInt8]) -> VersionedJSON.Refusal? {
        do throws(VersionedJSON.Refusal) {
            _ = try VersionedJSON.read(bytes, upTo: version)
            return nil
        } catch {
            return error.isNewer ? error : nil
        }
    }
}
