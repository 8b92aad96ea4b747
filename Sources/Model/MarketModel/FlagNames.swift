// The names of flags, for people and for programs.
extension TickFlags {
    private static let known: [(flag: TickFlags, name: String)] = [
        (.snapshot, "snapshot"), (.conflated, "conflated"), (.backfilled, "backfilled"),
        (.delayed, "delayed"), (.outOfSession, "out-of-session"),
        (.partial, "partial"), (.unreported, "unreported"), (.pastLimit, "past-limit"),
    ]

    /// The names of all flags that are set. Flags that this version does not know come last, as one
    /// hexadecimal number.
    public var names: [String] {
        guard rawValue != 0 else { return [] }
        var names = Self.known.filter { contains($0.flag) }.map(\.name)
        let rest = Self.known.reduce(self) { $0.subtracting($1.flag) }
        if rest.rawValue != 0 { names.append("0x\(String(rest.rawValue, radix: 16))") }
        return names
    }
}

extension ProviderBarFlags {
    /// The names of all flags that are set and known.
    public var names: [String] {
        var names: [String] = []
        if contains(.inProgress) { names.append("in-progress") }
        if contains(.regularHours) { names.append("regular-hours") }
        if contains(.revised) { names.append("revised") }
        return names
    }
}

extension BarFlags {
    public var names: [String] {
        var names: [String] = []
        if contains(.partial) { names.append("partial") }
        if contains(.final) { names.append("final") }
        if contains(.mixedProviders) { names.append("mixed-providers") }
        if contains(.withdrawn) { names.append("withdrawn") }
        if contains(.filled) { names.append("filled") }
        return names
    }
}
