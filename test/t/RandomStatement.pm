# RandomStatement: what the sessions of the random test say about a table of RandomSource. Each session has its own
# random numbers.
package RandomStatement;

use strict;
use warnings;

use RandomSource qw(below pick quoted);

# The application's own code around a table: a trigger that writes it again in a block that may fail, a function that
# writes it in the middle of a statement on it, and a procedure with transactions of its own.
sub application
{
	my ($table) = @_;
	my ($name, $names, $key) = ($table->{name}, RandomSource::names($table), $table->{key});
	my $new = join ', ', map { "NEW.$_" } RandomSource::stored($table);
	my $old = join ', ', RandomSource::stored($table);
	return qq{
		CREATE OR REPLACE FUNCTION rebook() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN
			IF pg_trigger_depth() = 1 AND NEW.k = 3 THEN
				BEGIN
					INSERT INTO $name ($names) VALUES (NEW.id + 10000, $new) ON CONFLICT ($key) DO NOTHING;
					UPDATE $name SET i4 = i4 + 1 WHERE id = NEW.id;
					IF NEW.id % 2 = 0 THEN RAISE EXCEPTION 'on purpose'; END IF;
				EXCEPTION WHEN raise_exception THEN NULL;
				END;
			END IF;
			RETURN NULL;
		END \$\$;
		CREATE TRIGGER rebook AFTER INSERT ON $name FOR EACH ROW EXECUTE FUNCTION rebook();
		CREATE OR REPLACE FUNCTION meddle(which integer, n integer) RETURNS integer LANGUAGE plpgsql AS \$\$
		BEGIN
			DELETE FROM $name b WHERE b.id = -1;	-- ends a statement that changed nothing
			INSERT INTO $name ($names) SELECT which + 30000, $old FROM $name b WHERE b.id = which + 1 ON CONFLICT ($key) DO UPDATE SET i4 = excluded.i4;
			UPDATE $name b SET i2 = 3 WHERE b.id = which + 2;
			IF which % 3 = 0 THEN RAISE EXCEPTION 'on purpose'; END IF;
			RETURN n;
		EXCEPTION WHEN raise_exception THEN RETURN 17;
		END \$\$;
		CREATE OR REPLACE PROCEDURE batches(which integer) LANGUAGE plpgsql AS \$\$
		BEGIN
			FOR i IN which .. which + 2 LOOP
				UPDATE $name SET i4 = i4 + 1, k = i % 5 WHERE id = i;
				IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
			END LOOP;
			DELETE FROM $name WHERE id = which + 3;
		END \$\$;
	} =~ s/i2 = 3/(grep { $_ eq 'i2' } @{ $table->{columns} }) ? 'i2 = 3' : 'i4 = 3'/er;
}

# Kinds that a run of some length must have seen succeed.
sub kinds
{
	return ('begin', 'commit', 'rollback', 'savepoint', 'rollback to', 'release', 'prepare', 'commit prepared', 'rollback prepared',
		qw(insert upsert copy update move from delete merge block chain nested cursor call truncate rebuild oracle));
}

sub id { return 1 + below($_[0], 400) }
sub fresh { return below($_[0], 5) ? 401 + below($_[0], 8000) : id($_[0]) }	# mostly no row has it
sub values_of { my ($s, $t, @ids) = @_; return join ', ', map { '(' . join(', ', RandomSource::row($s, $t, $_)) . ')' } @ids }

# Ids in order, so that statements meet each other's rows in one order.
sub ids { my ($s, $max) = @_; my %ids = map { id($s) => 1 } 0 .. below($s, $max); return sort { $a <=> $b } keys %ids }
sub fresh_ids { my ($s, $max) = @_; my %ids = map { fresh($s) => 1 } 0 .. below($s, $max); return sort { $a <=> $b } keys %ids }

sub assignment
{
	my ($s, $t, $same) = @_;	# $same: how a column's own value is called
	my %chosen = map { $_ => 1 } map { pick($s, RandomSource::stored($t)) } 0 .. below($s, 3);
	return join ', ', map { my $name = $_; "$name = " . (below($s, 8) ? quoted(RandomSource::value($s, $t, $name)) : ($same // '') . $name) } sort keys %chosen;
}

sub condition
{
	my ($s) = @_;
	my $low = id($s);
	return pick($s, 'id = ' . id($s), "id BETWEEN $low AND " . ($low + below($s, 12)), 'id IN (' . join(', ', ids($s, 4)) . ')',
		"id BETWEEN $low AND " . ($low + 30) . ' AND k = ' . below($s, 5), 'id BETWEEN ' . 20 * $low . ' AND ' . (20 * $low + 300), 'id = -1');
}

# The table, or where it is partitioned now and then a part of it.
sub place
{
	my ($s, $t) = @_;
	return $t->{name} if !$t->{partitioned} || below($s, 4);
	return "$t->{name}_p" . pick($s, 1, 2, 3, '2_0', '2_1');
}

my %make = (
	insert => sub { my ($s, $t) = @_; return 'INSERT INTO ' . place($s, $t) . ' (' . RandomSource::names($t) . ') VALUES ' . values_of($s, $t, fresh_ids($s, 4)) },
	upsert => sub {
		my ($s, $t) = @_;
		return "INSERT INTO $t->{name} (" . RandomSource::names($t) . ') VALUES ' . values_of($s, $t, ids($s, 5)) . " ON CONFLICT ($t->{key}) DO "
		  . pick($s, 'NOTHING', 'UPDATE SET ' . assignment($s, $t, "$t->{name}."), "UPDATE SET i4 = excluded.i4, note = excluded.note WHERE $t->{name}.note <> excluded.note");
	},
	copy => sub {
		my ($s, $t) = @_;
		my @rows = map { my $id = $_; join "\t", map { !defined ? '\N' : s/''/'/gr } $id, map { RandomSource::value($s, $t, $_) } RandomSource::stored($t) } fresh_ids($s, 4);
		return [ 'COPY ' . $t->{name} . ' (' . RandomSource::names($t) . ') FROM STDIN', @rows ];
	},
	update => sub { my ($s, $t) = @_; return 'UPDATE ' . place($s, $t) . ' SET ' . assignment($s, $t) . ' WHERE ' . condition($s) },
	move => sub { my ($s, $t) = @_; my $low = id($s); return "UPDATE $t->{name} SET id = id + " . pick($s, 100, 6000, -100) . ', k = ' . below($s, 6) . " WHERE id BETWEEN $low AND $low + " . below($s, 4) },
	from => sub {
		my ($s, $t) = @_;
		my $low = id($s);
		return "UPDATE $t->{name} AS a SET " . pick($s, 'i4 = b.i4', 'k = b.k, i4 = a.i4 - 1') . " FROM $t->{name} AS b WHERE b.id = a.id + " . pick($s, 0, 1, 5)
		  . " AND a.id BETWEEN $low AND $low + 6" . ($t->{not_null}{k} || $t->{not_null}{i4} ? ' AND b.k IS NOT NULL AND b.i4 IS NOT NULL' : '');
	},
	delete => sub { my ($s, $t) = @_; return 'DELETE FROM ' . place($s, $t) . ' WHERE ' . condition($s) },
	merge => sub {
		my ($s, $t) = @_;
		my @stored = RandomSource::stored($t);
		my $casts = join ', ', map { "v.$_\::" . RandomSource::type($_) } 'id', @stored;
		my $other = pick($s, grep { $_ ne 'k' } @stored);
		return "MERGE INTO $t->{name} b USING (VALUES " . values_of($s, $t, ids($s, 5)) . ') v(' . RandomSource::names($t) . ') ON b.id = v.id::integer '
		  . 'WHEN MATCHED AND b.k = ' . below($s, 5) . " THEN DELETE WHEN MATCHED THEN UPDATE SET k = v.k::integer, $other = v.$other\::" . RandomSource::type($other)
		  . ' WHEN NOT MATCHED THEN INSERT (' . RandomSource::names($t) . ") VALUES ($casts)";
	},
	# several statements in one, on rows of their own
	chain => sub {
		my ($s, $t) = @_;
		my ($low, $high) = (1 + below($s, 190), 201 + below($s, 190));
		my @stored = RandomSource::stored($t);
		return "WITH gone AS (DELETE FROM $t->{name} WHERE id BETWEEN $low AND $low + 3 RETURNING *), "
		  . "changed AS (UPDATE $t->{name} SET " . assignment($s, $t) . " WHERE id BETWEEN $high AND $high + 3 RETURNING id) "
		  . "INSERT INTO $t->{name} (" . RandomSource::names($t) . ') SELECT id + 20000, ' . join(', ', @stored) . " FROM gone ON CONFLICT ($t->{key}) DO NOTHING";
	},
	nested => sub {
		my ($s, $t) = @_;
		my ($low, $k) = (1 + below($s, 400), below($s, 5));
		my @stored = grep { $_ ne 'i4' } RandomSource::stored($t);
		return pick($s, "INSERT INTO $t->{name} (id, i4, " . join(', ', @stored) . ') SELECT id + 1, meddle(id, 50), ' . join(', ', @stored)
			  . " FROM $t->{name} WHERE id BETWEEN $low AND $low + 5 ORDER BY id ON CONFLICT DO NOTHING",
			"UPDATE $t->{name} SET i4 = meddle(id, i4), k = $k WHERE id BETWEEN $low AND $low + 9");
	},
	cursor => sub {
		my ($s, $t) = @_;
		my $low = id($s);
		return "DO \$do\$ DECLARE c CURSOR FOR SELECT id FROM $t->{name} WHERE id BETWEEN $low AND $low + 5 FOR UPDATE; BEGIN FOR r IN c LOOP "
		  . "IF r.id % 3 = 0 THEN DELETE FROM $t->{name} WHERE CURRENT OF c; ELSE UPDATE $t->{name} SET " . assignment($s, $t) . ' WHERE CURRENT OF c; END IF; END LOOP; END $do$';
	},
	cascade => sub {
		my ($s) = @_;
		return pick($s, 'DELETE FROM class WHERE k = ' . below($s, 6), 'UPDATE class SET k = ' . (6 + below($s, 3)) . ' WHERE k = ' . below($s, 6),
			'INSERT INTO class VALUES (' . below($s, 6) . ') ON CONFLICT DO NOTHING', 'INSERT INTO class SELECT generate_series(0, 5) ON CONFLICT DO NOTHING');
	},
	call => sub { my ($s) = @_; return 'CALL batches(' . id($s) . ')' },
	truncate => sub { my ($s, $t) = @_; return 'TRUNCATE ' . ($t->{cascades} && !below($s, 3) ? 'class CASCADE' : $s->{alone} ? place($s, $t) : $t->{name}) },
	# a partition, or one that has partitions, goes and comes back, written in between
	partition => sub {
		my ($s, $t) = @_;
		my $part = pick($s, RandomSource::partitions($t));
		my @part = map { my ($how, $what) = @$_; below($s, 2) ? () : "$how $part->{name} $what" } [ 'DELETE FROM', 'WHERE ' . condition($s) ],
		  [ 'UPDATE', 'SET i4 = 7 WHERE ' . condition($s) ], [ 'TRUNCATE', '' ];
		return "DO \$do\$ BEGIN ALTER TABLE $t->{name} DETACH PARTITION $part->{name}; " . join('', map { "$_; " } @part)
		  . "ALTER TABLE $t->{name} ATTACH PARTITION $part->{name} $part->{bounds}; END \$do\$";
	});

$make{block} = sub {
	my ($s, $t) = @_;
	my @part = map { $make{ pick($s, qw(insert upsert update delete merge)) }->($s, $t) } 1 .. 4;
	my $raise = pick($s, "RAISE EXCEPTION 'on purpose';", 'NULL;');
	return "DO \$do\$ BEGIN $part[0]; BEGIN $part[1]; BEGIN $part[2]; $raise EXCEPTION WHEN raise_exception THEN NULL; END; "
	  . pick($s, "RAISE EXCEPTION 'on purpose';", 'NULL;') . " EXCEPTION WHEN raise_exception OR unique_violation THEN NULL; END; $part[3]; END \$do\$";
};

sub ending
{
	my ($s) = @_;
	return ('rollback', 'ROLLBACK') if $s->{failed} || !below($s, 4);
	return ('commit', 'COMMIT');
}

my $names = 0;

# What a session says next: a kind and the SQL (for COPY, the command and its rows). $round: { table, oracle, rollups,
# prepared, folds }.
sub next_statement
{
	my ($s, $round) = @_;
	my ($table, $prepared) = @$round{qw(table prepared)};
	my $dice = below($s, 100);

	if ($s->{failed})
	{
		return ('rollback to', "ROLLBACK TO $s->{savepoints}[-1]") if @{ $s->{savepoints} } && $dice < 70;
		return ('rollback', 'ROLLBACK');
	}
	if (!$s->{open})
	{
		if (@$prepared && $dice < (@$prepared > 4 ? 60 : 10))
		{
			my $name = splice @$prepared, below($s, scalar @$prepared), 1;
			return below($s, 2) ? ('commit prepared', "COMMIT PREPARED '$name'") : ('rollback prepared', "ROLLBACK PREPARED '$name'");
		}
		if ($dice < 70)
		{
			$s->{level} = pick($s, 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
			return ('begin', "BEGIN ISOLATION LEVEL $s->{level}");
		}
		$s->{level} = 'READ COMMITTED';
	}
	else
	{
		if ($dice < 12) { return ending($s) }
		if ($dice < 14 && !$s->{locks} && @$prepared < 8) { $names++; return ('prepare', "PREPARE TRANSACTION 'p$names'") }
		if ($dice < 24) { my $name = 's' . scalar @{ $s->{savepoints} }; return ('savepoint', "SAVEPOINT $name") }
		if ($dice < 34 && @{ $s->{savepoints} })
		{
			my $name = pick($s, @{ $s->{savepoints} });
			return below($s, 3) ? ('rollback to', "ROLLBACK TO $name") : ('release', "RELEASE $name");
		}
	}
	$dice = below($s, 400);
	return ('truncate', $make{truncate}->($s, $table)) if $dice < 3 && !@$prepared;
	# an older snapshot of others would see which partitions there are, and the rollup as it was
	return ('partition', $make{partition}->($s, $table)) if $s->{alone} && $table->{partitioned} && !@$prepared && $dice >= 380;
	return ('rebuild', 'SELECT gymstream.rebuild_rollup(' . quoted(pick($s, @{ $round->{rollups} })) . ')') if $dice < 10 && $s->{level} eq 'READ COMMITTED' && !@$prepared;
	return ('fold', 'SELECT gymstream.fold_rollup(' . quoted(pick($s, @{ $round->{rollups} })) . ')') if $round->{folds} && $dice < 40 && (!$s->{open} || $s->{level} eq 'READ COMMITTED');
	return ('oracle', $round->{oracle}) if $dice < ($round->{folds} ? 100 : 60);
	my @kinds = qw(insert insert upsert upsert copy update update update delete move from merge block chain nested cursor);
	push @kinds, 'cascade' if $table->{cascades};
	push @kinds, 'call' unless $s->{open};
	my $kind = pick($s, @kinds);
	return ($kind, $make{$kind}->($s, $table));
}

# Keep the session's idea of its transaction.
sub done
{
	my ($s, $busy, $ok, $prepared) = @_;
	my ($kind, $sql) = @$busy{qw(kind sql)};
	my ($name) = ref $sql ? () : $sql =~ /(\w+)'?$/;
	my $points = $s->{savepoints};

	if ($kind eq 'begin') { $s->{open} = $ok }
	elsif ($kind =~ /^(commit|rollback|prepare)$/)
	{
		push @$prepared, $name if $kind eq 'prepare' && $ok;
		@$s{qw(open failed savepoints)} = (0, 0, []);
	}
	elsif (!$ok) { $s->{failed} = $s->{open}; push @$prepared, $name if $kind =~ / prepared$/ }
	elsif ($kind eq 'savepoint') { push @$points, $name }
	elsif ($kind eq 'rollback to') { $s->{failed} = 0; pop @$points while $points->[-1] ne $name }
	elsif ($kind eq 'release') { pop @$points while $points->[-1] ne $name; pop @$points }
}

1;
