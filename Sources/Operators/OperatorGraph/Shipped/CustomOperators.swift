extension TickOperators {
    /// The custom operators of this build. A new operator goes into a file beside this one, and
    /// gets a line here. Graphs then use it by that name.
    public static var ofThisProgram: TickOperators {
        var operators = TickOperators()
        operators.register(JumpGuard.name, JumpGuard.self)
        return operators
    }
}
