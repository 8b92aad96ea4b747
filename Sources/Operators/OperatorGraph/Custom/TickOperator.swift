public import StreamCore

/// A node that is written in code: it lets ticks through or keeps them back, and may publish
/// values.
///
/// A value type: the machine keeps a copy for every partition. It must be pure, like the rest of
/// the graph: its results follow from its settings and the ticks it was given. No clock, chance or
/// order of a dictionary may affect them. A repair begins with a new one, which is first given the
/// ticks of the warm-up.
public protocol TickOperator: Sendable {
    /// `settings` are those of the node, in order of their names.
    init(settings: [GraphSetting]) throws(TickOperatorError)

    /// The span of ticks, in nanoseconds, after which a new operator agrees with an old one. A
    /// repair reads the tape from that much earlier. At most `OperatorLimits.warmUpMax`; 0 unless
    /// stated.
    var warmUp: Int64 { get }

    /// Takes a tick of a symbol of one source. The number in its header stands for both. Returns
    /// whether the tick passes. Values are published under `<node>.<name>`.
    mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool

    /// Appends everything that decides its later results. The same state gives the same bytes.
    func encode(into bytes: inout [UInt8])
    /// Restores the state that `encode` wrote, for the same settings.
    mutating func restore(_ bytes: RawSpan) throws(CheckpointError)
}

extension TickOperator {
    public var warmUp: Int64 { 0 }
}

/// The limits of custom operators.
package enum OperatorLimits {
    /// A day, because a repair also reads a day at a time.
    package static let warmUpMax: Int64 = 86_400_000_000_000
}

/// A value that a custom operator publishes.
public struct OperatorValue: Hashable, Sendable {
    /// The maximum number of values per tick. Further ones are left out and counted.
    public static let perTickMax = 16
    /// The maximum length of a value's name in bytes, so that it fits on the tape with the node's
    /// name in front. A value with a longer name is left out and counted.
    public static let nameBytesMax = 64

    public var name: String
    /// The value in 1e-9.
    public var value: Int128

    public init(name: String, value: Int128) {
        self.name = name
        self.value = value
    }
}

/// An error in a custom operator or its settings, in one line for a person.
public struct TickOperatorError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// The custom operators that a program knows, by the names that graphs use.
public struct TickOperators: Sendable {
    private var byName: [String: any TickOperator.Type] = [:]

    public init() {}

    /// Registers an operator. It replaces an earlier one of the same name.
    public mutating func register(_ name: String, _ type: any TickOperator.Type) {
        byName[name] = type
    }

    /// The registered names in order.
    public var names: [String] { byName.keys.sorted() }

    /// Makes the operator of a node, or throws when its name or settings are wrong.
    public func make(
        _ name: String, _ settings: [GraphSetting], node: String
    ) throws(TickOperatorError) -> any TickOperator {
        guard let type = byName[name] else {
            let known = byName.isEmpty ? "none is registered" : names.joined(separator: ", ")
            throw TickOperatorError(
                "node \(node) uses the operator \(name), which this program does not know"
                    + " (\(known)): register it, or correct the name")
        }
        do throws(TickOperatorError) {
            return try type.init(settings: settings)
        } catch {
            throw TickOperatorError("node \(node): \(error)")
        }
    }
}

extension [UInt8] {
    /// Appends a number of an operator's state, little endian, for `RawSpan.int64(at:)`.
    public mutating func append(state number: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            append(UInt8(truncatingIfNeeded: number >> Int64(shift)))
        }
    }
}
