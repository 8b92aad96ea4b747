import Membership

/// What NATS allows the programs of each group of people that follows the tape, as text of its
/// configuration: a user beside `consumer`, in the same account. It reads, hears the question for
/// positions, reports those of its own group, and looks up streams.
struct FollowerRights {
    let groups: [GroupName]

    /// Returns the user as which a group's programs connect.
    static func user(of group: GroupName) -> String { "\(StackPlan.natsConsumer)-\(group)" }

    /// Returns the variable of the configuration that has the user's password.
    static func passwordVariable(of group: GroupName) -> String {
        "NATS_\(user(of: group).uppercased().replacing("-", with: "_"))_PASSWORD"
    }

    /// Users stand at this depth.
    private static let (open, close) = ("            {", "            }")
    private static let live = #""*.live.>""#
    private static let question = #""*.ask.positions""#
    private static let (packets, information) = (".STREAM.MSG.GET.", ".STREAM.INFO.")

    /// Returns the configuration with a user for each group. Throws when the text is not like the
    /// shipped one, or has such a user.
    func configuration(shipped: String) throws(ToolError) -> String {
        guard let first = groups.first else { return shipped }
        let lines = shipped.split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        guard
            let name = lines.firstIndex(where: {
                $0.hasSuffix(" user: \(StackPlan.natsConsumer)")
            }),
            let start = lines[..<name].lastIndex(of: Self.open),
            let end = lines[name...].firstIndex(of: Self.close)
        else {
            throw .refused(
                "the configuration of NATS has no user \(StackPlan.natsConsumer) as the shipped "
                    + "one: the rights of \(first) cannot be added")
        }
        let known = groups.first { group in
            lines.contains { $0.hasSuffix(" user: \(Self.user(of: group))") }
        }
        if let known { throw .refused("the configuration of NATS has a user of \(known)") }
        let block = lines[start...end].filter { !$0.drop { $0 == " " }.hasPrefix("#") }
        let present = Set(lines)
        var made: [String] = []
        for (number, line) in lines.enumerated() {
            made.append(line)
            made += between(line).filter { !present.contains($0) }
            if number == end { for group in groups { made += Self.user(block, group) } }
        }
        return made.joined(separator: "\n")
    }

    /// Returns a configuration without the users of the groups, their passwords and what the
    /// accounts let through for them alone. What all such groups need of the accounts stays: no
    /// other user has a right to it.
    func removed(from configuration: String) -> String {
        var lines = configuration.split(separator: "\n", omittingEmptySubsequences: false)
        for group in groups {
            let user = " user: \(Self.user(of: group))"
            if let name = lines.firstIndex(where: { $0.hasSuffix(user) }),
                let start = lines[..<name].lastIndex(where: { $0 == Self.open }),
                let end = lines[name...].firstIndex(where: { $0 == Self.close })
            {
                lines.removeSubrange(start...end)
            }
            let password = "\(Self.passwordVariable(of: group)):"
            lines.removeAll {
                $0.hasPrefix(password) || $0.contains("\"*.pos.\(group)\"")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Returns the lines of the usual user as those of a group's.
    private static func user(_ block: [String], _ group: GroupName) -> [String] {
        block.flatMap { line -> [String] in
            let own = line.replacing(
                "NATS_CONSUMER_PASSWORD", with: passwordVariable(of: group)
            )
            .replacing("user: \(StackPlan.natsConsumer)", with: "user: \(user(of: group))")
            .replacing("_INBOX_\(StackPlan.natsConsumer).", with: "_INBOX_\(user(of: group)).")
            .replacing(live, with: question)
            if line.hasSuffix(" publish: [") {
                let indent = line.prefix { $0 == " " }
                return [own, indent + "    \"*.pos.\(group)\""]
            }
            return line.contains(packets)
                ? [own, own.replacing(packets, with: information)] : [own]
        }
    }

    /// Returns what the accounts let through beside a line of what they let through.
    private func between(_ line: String) -> [String] {
        let isExport = line.hasSuffix("{stream: \(Self.live)}")
        if isExport || line.hasSuffix("{stream: {account: TAPELINE, subject: \(Self.live)}}") {
            let positions = groups.map { group in
                line.replacing("{stream: ", with: "{service: ")
                    .replacing(Self.live, with: "\"*.pos.\(group)\"")
            }
            return [line.replacing(Self.live, with: Self.question)] + positions
        }
        guard line.contains("{service: "), line.contains(Self.packets) else { return [] }
        return [line.replacing(Self.packets, with: Self.information)]
    }
}
