public import MarketModel
public import StreamCore

/// A node that is written in code: it lets ticks through or keeps them back, and may tell values.
///
/// A value type: the machine keeps a copy for every partition. It must be pure, as all of the
/// graph is: what it answers follows from its settings and the ticks it was given, and neither a
/// clock nor chance nor the order of a dictionary may decide it. A repair begins with a new one,
/// which is given the ticks of the warm-up before those that count.
public protocol TickOperator: Sendable {
    /// `settings` are those of the node, in order of their names.
    init(settings: [GraphSetting]) throws(TickOperatorError)

    /// So many nanoseconds of ticks bring a new one to where an old one is: a repair reads the tape
    /// from so much earlier on. At most `OperatorLimits.warmUpMax`; zero if it is not stated.
    var warmUp: Int64 { get }

    /// True: the tick goes on. Values that are told are published under `<node>.<name>`.
    mutating func take(
        _ tick: GraphTick, of symbol: Symbol, telling values: inout [OperatorValue]
    ) -> Bool

    /// Appends all that decides what it will answer; the same state gives the same bytes.
    func encode(into bytes: inout [UInt8])
    /// Takes the state that `encode` wrote, for the same settings.
    mutating func restore(_ bytes: RawSpan) throws(CheckpointError)
}

extension TickOperator {
    public var warmUp: Int64 { 0 }
}

public enum OperatorLimits {
    /// A day: what a repair reads is a day at a time, too.
    public static let warmUpMax: Int64 = 86_400_000_000_000
}

/// What a custom operator tells beside its verdict.
public struct OperatorValue: Hashable, Sendable {
    /// Of one tick; what it tells beyond is left out.
    public static let perTickMax = 16
    /// Of a value's name, so that with the node's in front it is the name of an indicator.
    public static let nameBytesMax = 64

    public var name: String
    /// In 1e-9.
    public var value: Int128

    public init(name: String, value: Int128) {
        self.name = name
        self.value = value
    }
}

/// What is wrong with a custom operator or its settings, in one line for a person.
public struct TickOperatorError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// The custom operators that a program knows, by the names that graphs use.
public struct TickOperators: Sendable {
    private var byName: [String: any TickOperator.Type] = [:]

    public init() {}

    /// The later of two with one name holds.
    public mutating func register(_ name: String, _ type: any TickOperator.Type) {
        byName[name] = type
    }

    public var names: [String] { byName.keys.sorted() }

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
    /// Appends a number of an operator's state: little endian, as `RawSpan.int64(at:)` reads it.
    public mutating func append(state number: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            append(UInt8(truncatingIfNeeded: number >> Int64(shift)))
        }
    }
}
