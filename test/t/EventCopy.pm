# EventCopy: a database that is filled from events of another alone, as a reader of the output plugin would fill it.
package EventCopy;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

# How an event is applied. Messages with the prefix "ddl" are commands, since DDL is no event.
my $functions = q{
CREATE SCHEMA event_copy;
CREATE FUNCTION event_copy.columns(t regclass, e json) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(quote_ident(k), ',' ORDER BY n) FROM json_object_keys(e -> 'new') WITH ORDINALITY AS keys (k, n)
	JOIN pg_attribute ON attrelid = t AND attname = k AND attgenerated = '' $$;
CREATE FUNCTION event_copy.named(e json, member text, part text, k text) RETURNS bool LANGUAGE sql AS $$
	SELECT coalesce(k IN (SELECT json_array_elements_text(e -> member -> part)), false) $$;
-- the columns of a row, of which a record is made by json_populate_record: but for those that the event says are JSON in another way
CREATE FUNCTION event_copy.expressions(t regclass, e json, part text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN event_copy.named(e, 'json_null', part, k) THEN format('%L::%s', 'null', format_type(atttypid, atttypmod))
		WHEN event_copy.named(e, 'json_text', part, k) THEN format('%L::%s', e -> part ->> k, format_type(atttypid, atttypmod))
		ELSE quote_ident(k) END, ',' ORDER BY n) FROM json_object_keys(e -> part) WITH ORDINALITY AS keys (k, n)
	JOIN pg_attribute ON attrelid = t AND attname = k AND attgenerated = '' $$;
CREATE FUNCTION event_copy.place(t regclass, e json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE key text; names json := coalesce(e -> 'identity', e -> 'pk');
BEGIN
	IF json_array_length(names) > 0 THEN
		SELECT string_agg(format('%1$I = (json_populate_record(NULL::%2$s, %3$L)).%1$I', k, t,
			json_build_object(k, coalesce(e -> 'old' -> k, e -> 'new' -> k))), ' AND ') INTO key FROM json_array_elements_text(names) k;
		RETURN key;
	END IF;
	RETURN format('ctid = (SELECT ctid FROM %1$s r WHERE r::text = (SELECT ROW(%3$s)::text FROM json_populate_record(NULL::%1$s, %2$L)) LIMIT 1)',
		t, e -> 'old', event_copy.expressions(t, e, 'old'));
END $$;
CREATE FUNCTION event_copy.apply(e json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text := quote_ident(e ->> 'schema') || '.' || quote_ident(e ->> 'table'); n int; columns text;
BEGIN
	CASE e ->> 'action'
		WHEN 'message' THEN EXECUTE e ->> 'content'; RETURN;
		WHEN 'truncate' THEN EXECUTE 'TRUNCATE ' || t; RETURN;
		WHEN 'insert' THEN
			columns := event_copy.columns(t, e);
			EXECUTE format('INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM json_populate_record(NULL::%1$s, $1)', t, columns,
				event_copy.expressions(t, e, 'new')) USING e -> 'new';
		WHEN 'update' THEN
			columns := event_copy.columns(t, e);
			EXECUTE format('UPDATE %1$s SET (%2$s) = (SELECT %3$s FROM json_populate_record(NULL::%1$s, $1)) WHERE %4$s', t, columns,
				event_copy.expressions(t, e, 'new'), event_copy.place(t, e)) USING e -> 'new';
		WHEN 'delete' THEN
			EXECUTE format('DELETE FROM %s WHERE %s', t, event_copy.place(t, e));
	END CASE;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n <> 1 THEN RAISE 'event meets % rows: %', n, e; END IF;
END $$;
};

# A new database of the node; setup is the SQL that makes its tables.
sub new
{
	my ($class, $node, $name, $setup) = @_;
	my $self = bless { node => $node, name => $name, last => '', group => undef, streams => {}, applied => 0 }, $class;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, $functions . $setup);
	return $self;
}

# Take the whole lines of a file that a reader wrote. What a reader who was killed had not confirmed comes again.
sub take_file
{
	my ($self, $file) = @_;
	my $script = '';

	open(my $lines, '<', $file) or die "could not open $file: $!";
	delete @$self{qw(group block)};
	while (my $line = <$lines>)
	{
		last unless $line =~ s/\n\z//;
		$script .= $self->take_line($line);
	}
	close($lines);
	my $path = "$file.sql";
	PostgreSQL::Test::Utils::append_to_file($path, $script);
	$self->{node}->command_ok([ 'psql', '-Xq', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', $self->{node}->connstr($self->{name}), '-f', $path ],
		'events are applied');
}

# Gives the SQL of a transaction when its last line comes.
sub take_line
{
	my ($self, $line) = @_;
	my ($action) = $line =~ /^\{"action":"(\w+)"/ or die "no event: $line";
	my ($head) = $line =~ /^(.*?)(?:,"(?:new|old|content)":|\}\z)/;
	my ($xid) = $head =~ /"xid":(\d+)/;
	my ($subxid) = $head =~ /"subxid":(\d+)/;
	my ($lsn) = $head =~ m{"lsn":"([0-9A-F/]+)"};

	if ($action eq 'begin') { $self->{group} = [] }
	elsif ($action eq 'commit') { return $self->transaction($lsn, delete $self->{group}) }
	elsif ($action eq 'stream_start')
	{
		$self->{streams}{$xid} = [] if $head =~ /"first":true/ || $line =~ /"first":true/;
		$self->{block} = $xid;
	}
	elsif ($action eq 'stream_stop') { delete $self->{block} }
	elsif ($action eq 'stream_abort' && defined $subxid)
	{
		@{ $self->{streams}{$xid} } = grep { $_->[0] != $subxid } @{ $self->{streams}{$xid} };
	}
	elsif ($action eq 'stream_abort') { delete $self->{streams}{$xid} }
	elsif ($action eq 'stream_commit') { return $self->transaction($lsn, [ map { $_->[1] } @{ delete $self->{streams}{$xid} } ]) }
	elsif (defined $self->{block})
	{
		die "event of another transaction in a block: $line" if $xid != $self->{block};
		push @{ $self->{streams}{$xid} }, [ $subxid // $xid, $line ];
	}
	else { push @{ $self->{group} }, $line }
	return '';
}

sub transaction
{
	my ($self, $lsn, $events) = @_;
	my $position = sprintf('%08s/%08s', split m{/}, $lsn);

	return '' if $position le $self->{last};
	$self->{last} = $position;
	$self->{applied}++;
	return join("\n", 'BEGIN;', (map { "SELECT event_copy.apply(\$event\$$_\$event\$);" } @$events), 'COMMIT;', '');
}

# The content of tables, each row as text: the same in both databases when the copy is exact. A line break in a json value is a space
# in its event.
sub content
{
	my ($node, $database, @tables) = @_;
	return join("\n", map { "$_: " . $node->safe_psql($database,
		"SELECT count(*), md5(string_agg(row_text, chr(10) ORDER BY row_text)) FROM ONLY $_ r, translate(r::text, E'\\n\\r', '  ') row_text") } @tables);
}

1;
